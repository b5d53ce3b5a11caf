/** Where is it? Regions in colors, and a legend that lights up what is pointed at. */
import { element, make } from '../dom.js';
import { className, percent, t } from '../i18n.js';
import type { Region, Where } from '../protocol.js';
import { answerIs, cover, onPoint } from '../stage.js';
import { edgeFor, type Mode, type Shell } from './mode.js';

const headline = element('headline', HTMLHeadingElement);
const also = element('also', HTMLParagraphElement);
const legend = element('legend', HTMLUListElement);
const BACKGROUND = 'background';
/** Regions smaller than this share of the picture are in the legend, not in the headline. */
const SMALL = 0.01;

export class WhereMode implements Mode {
  readonly name = 'where';
  readonly task = 'where';
  readonly #shell: Shell;
  #answer: (Omit<Where, 'colors'> & { width: number; height: number }) | undefined;
  /** The class that is pointed at. */
  #pointed: number | null = null;
  #active = false;

  constructor(shell: Shell) {
    this.#shell = shell;
    onPoint((place) => {
      if (!this.#active || this.#answer === undefined) return;
      const { classes, width, height } = this.#answer;
      const id = place === null ? null : classes[Math.floor(place.y * height) * width + Math.floor(place.x * width)];
      this.#point(id);
    });
  }

  enter(): void {
    this.#active = true;
  }

  leave(): void {
    this.#active = false;
    this.#pointed = null;
  }

  forget(): void {
    this.#answer = undefined;
    this.#pointed = null;
  }

  async look(stale: () => boolean, live: boolean): Promise<Where | null> {
    const answer = await this.#shell.client.where({ edge: edgeFor(live) });
    if (stale()) {
      answer.colors.close();
      return null;
    }
    const { width, height } = answer.colors;
    this.#answer = { ...answer, width, height };
    this.#show(answer);
    return answer;
  }

  #show({ regions, colors }: Where): void {
    const things = regions.filter(({ label, share }) => label !== BACKGROUND && share >= SMALL);
    const text =
      things.length === 0 ? t('where.nothing') : things.map(({ label }) => className(label)).join(t('comma'));
    if (headline.textContent !== text) headline.textContent = text;
    also.textContent = '';
    answerIs(text);
    legend.replaceChildren(...regions.map((region) => this.#row(region)));
    cover(colors);
  }

  #row({ id, label, color, share }: Region): HTMLLIElement {
    const swatch = make('span', { className: 'swatch' });
    if (label !== BACKGROUND) swatch.style.background = `rgb(${color.join(' ')})`;
    const button = make(
      'button',
      {},
      swatch,
      make('span', { text: className(label) }),
      make('span', { text: percent(share) }),
    );
    button.dataset.id = String(id);
    for (const event of ['pointerenter', 'focus']) button.addEventListener(event, () => this.#point(id));
    for (const event of ['pointerleave', 'blur']) button.addEventListener(event, () => this.#point(null));
    return make('li', {}, button);
  }

  /** Lights up one class. The background is never lit up. */
  #point(id: number | null): void {
    const region = this.#answer?.regions.find((region) => region.id === id);
    const next = region === undefined || region.label === BACKGROUND ? null : region.id;
    if (next === this.#pointed || this.#shell.filming()) return;
    this.#pointed = next;
    for (const button of legend.querySelectorAll('button')) {
      button.classList.toggle('pointed', next !== null && button.dataset.id === String(next));
    }
    if (region !== undefined && next !== null) answerIs(className(region.label), percent(region.share));
    else answerIs(headline.textContent ?? '');
    this.#shell.client
      .highlight(next)
      .then(({ colors }) => (this.#active && this.#pointed === next ? cover(colors) : colors.close()))
      .catch(() => {}); // another picture has come
  }
}
