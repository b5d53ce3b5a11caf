/** What is it? Labels, and the places that speak for the one that is chosen. */
import { element, make } from '../dom.js';
import { percent, t } from '../i18n.js';
import type { Label, ModelInfo, What } from '../protocol.js';
import { answerIs, cover } from '../stage.js';
import { edgeFor, type Mode, type Shell } from './mode.js';

const headline = element('headline', HTMLHeadingElement);
const also = element('also', HTMLParagraphElement);
const labels = element('labels', HTMLOListElement);
const why = element('why', HTMLSelectElement);
const note = element('why-note', HTMLParagraphElement);

/** ImageNet's classes have several names: the first, and the others. */
const namesOf = (label: string): [first: string, others: string] => {
  const [first, ...others] = label.split(', ');
  return [first, others.join(', ')];
};

export class WhatMode implements Mode {
  readonly name = 'what';
  readonly task = 'what';
  readonly #shell: Shell;
  #listed: readonly string[] | undefined;
  /** The class that is explained though another is the best. */
  #chosen: number | null = null;
  /** The class that is explained. */
  explained: Label | undefined;

  constructor(shell: Shell) {
    this.#shell = shell;
    why.addEventListener('change', () => this.#choose(why.value === '' ? null : Number(why.value)));
  }

  /** The list of labels begins with a word of the page's. */
  forgetLanguage(): void {
    this.#listed = undefined;
  }

  forget(): void {
    this.#chosen = null;
  }

  /** Lists all labels. */
  loaded(info: ModelInfo): void {
    if (this.#listed?.join() === info.labels.join()) return;
    this.#listed = info.labels;
    const none = new Option(t('what.otherNone'), '');
    why.replaceChildren(none, ...info.labels.map((label, id) => new Option(label, String(id))));
  }

  async look(stale: () => boolean, live: boolean): Promise<What | null> {
    const answer = await this.#shell.client.what(this.#chosen, { edge: edgeFor(live) });
    if (stale()) {
      answer.glow?.close();
      return null;
    }
    this.#show(answer);
    return answer;
  }

  #show({ labels: best, explained, glow }: What): void {
    this.explained = explained;
    const [name, others] = namesOf(best[0].label);
    if (headline.textContent !== name) headline.textContent = name; // said once by a screen reader
    also.textContent = others;
    labels.replaceChildren(...best.map((label) => this.#row(label)));
    why.value = this.#chosen === null ? '' : String(this.#chosen);
    note.textContent = glow === null ? '' : `${t('what.why', { label: namesOf(explained.label)[0] })}`;
    answerIs(namesOf(explained.label)[0], percent(explained.score));
    cover(glow);
  }

  #row({ id, label, score }: Label): HTMLLIElement {
    const bar = make('span', { className: 'bar' });
    bar.style.width = `${100 * score}%`;
    const [name] = namesOf(label);
    const button = make('button', {}, bar, make('span', { text: name }), make('span', { text: percent(score) }));
    button.title = label;
    button.dataset.id = String(id);
    button.ariaPressed = String(id === this.explained?.id);
    button.addEventListener('click', () => this.#choose(id));
    return make('li', {}, button);
  }

  #choose(id: number | null): void {
    this.#chosen = id;
    // The next frame of the camera shows it.
    if (!this.#shell.filming()) this.#shell.act(() => this.#shell.again());
  }
}
