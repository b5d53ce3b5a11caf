/** The network that was taught, now or at an earlier visit: to answer with, to take along, to remove. */
import { make } from '../dom.js';
import { dayOf, t } from '../i18n.js';
import type { Kept } from '../protocol.js';

export interface KeptOptions {
  /** Answers with it beside its classes. */
  tryIt(): void;
  /** Answers with it where the page's own network does. */
  useIt(): void;
  download(): void;
  remove(): void;
}

export class KeptRow {
  readonly root: HTMLElement;
  readonly #text = make('p');
  readonly #try = button('teach.tryKept');
  readonly #use = button('teach.useKept');
  readonly #download = button('teach.download');
  readonly #remove = button('teach.removeKept');

  constructor({ tryIt, useIt, download, remove }: KeptOptions) {
    const buttons = make('div', { className: 'row' }, this.#try, this.#use, this.#download, this.#remove);
    this.root = make('section', { className: 'kept' }, this.#text, buttons);
    this.#try.addEventListener('click', tryIt);
    this.#use.addEventListener('click', useIt);
    this.#download.addEventListener('click', download);
    this.#remove.addEventListener('click', () => {
      // Nothing brings it back, so that one press asks and the next removes.
      if (this.#remove.dataset.t === 'teach.removeKept') this.#ask(true);
      else remove();
    });
    this.#remove.addEventListener('blur', () => this.#ask(false));
  }

  /** @param kept null for nothing to be offered @param answers it is what the page answers with */
  write(kept: Kept | null, answers: boolean): void {
    this.root.hidden = kept === null;
    if (kept === null) return;
    this.#text.textContent = t('teach.kept', { day: dayOf(kept.savedAt), labels: kept.labels.join(t('comma')) });
    const hadFocus = document.activeElement === this.#try;
    this.#try.hidden = answers;
    if (hadFocus && answers) this.#use.focus();
    this.#download.title = t('teach.downloadHint');
  }

  #ask(asks: boolean): void {
    const key = asks ? 'teach.removeKeptSure' : 'teach.removeKept';
    this.#remove.dataset.t = key;
    this.#remove.textContent = t(key);
  }
}

function button(key: string): HTMLButtonElement {
  const made = make('button');
  made.dataset.t = key;
  return made;
}
