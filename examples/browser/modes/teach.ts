/** Teach it: the visitor's own classes. What it takes is loaded when the mode is first chosen. */
import { element } from '../dom.js';
import { t } from '../i18n.js';
import type { Label, ModelFiles, Task, What } from '../protocol.js';
import { answerIs, cover } from '../stage.js';
import type { TeachPanel } from '../teach/panel.js';
import type { Mode, Shell } from './mode.js';

const headline = element('headline', HTMLHeadingElement);
const also = element('also', HTMLParagraphElement);

export class TeachMode implements Mode {
  readonly name = 'teach';
  readonly #shell: Shell;
  #panel: Promise<TeachPanel> | undefined;
  #opened: TeachPanel | undefined;

  constructor(shell: Shell) {
    this.#shell = shell;
  }

  /** Before something was taught there is no network. */
  get task(): Task | null {
    return this.#opened?.answers ? 'taught' : null;
  }

  get explained(): Label | undefined {
    return this.#opened?.explained;
  }

  enter(): void {
    headline.textContent = t('teach.title');
    also.textContent = '';
    answerIs('');
    cover(null);
    this.#shell.act(() => this.#open());
  }

  leave(): void {
    this.#panel?.then((panel) => panel.release());
  }

  dropText(on: Element | null): string {
    return this.#opened?.dropText(on) ?? t('teach.dropHere');
  }

  async drop(files: ModelFiles, on: Element | null): Promise<boolean> {
    return (await this.#open()).drop(files, on);
  }

  async look(stale: () => boolean, live: boolean): Promise<What | null> {
    const panel = await this.#open();
    return stale() ? null : panel.look(stale, live);
  }

  #open(): Promise<TeachPanel> {
    this.#panel ??= import('../teach/panel.js').then(({ TeachPanel }) => {
      this.#opened = new TeachPanel(this.#shell);
      return this.#opened;
    });
    this.#panel.catch(() => {
      this.#panel = undefined; // the next try may go well
    });
    return this.#panel;
  }
}
