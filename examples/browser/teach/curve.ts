/** How a training goes: the loss, and how many of the held-out pictures are right, step by step. */
import { make } from '../dom.js';
import { percent, t } from '../i18n.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 320;
const HEIGHT = 110;
const MARGIN = 6;

type Point = readonly [x: number, value: number];

export class Curve {
  readonly root = make('figure', { className: 'curve' });
  readonly #svg = document.createElementNS(SVG, 'svg');
  readonly #lines = { loss: line('curve-loss'), accuracy: line('curve-accuracy') };
  readonly #words = {
    loss: make('span', { className: 'key-loss' }),
    accuracy: make('span', { className: 'key-accuracy' }),
  };
  #points: { loss: Point[]; accuracy: Point[] } = { loss: [], accuracy: [] };

  constructor() {
    this.#svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.#svg.setAttribute('role', 'img');
    this.#svg.append(this.#lines.loss, this.#lines.accuracy);
    this.root.append(this.#svg, make('figcaption', { className: 'quiet' }, this.#words.loss, this.#words.accuracy));
    this.clear();
  }

  clear(): void {
    this.#points = { loss: [], accuracy: [] };
    this.root.hidden = true;
  }

  /** @param share of the training that is over, 0 to 1 */
  add(share: number, { loss, eval_accuracy: accuracy }: Record<string, number>): void {
    push(this.#points.loss, share, loss);
    push(this.#points.accuracy, share, accuracy);
    this.#draw();
  }

  #draw(): void {
    const { loss, accuracy } = this.#points;
    if (loss.length === 0) return;
    this.root.hidden = false;
    const most = Math.max(...loss.map(([, value]) => value), 1e-6);
    this.#lines.loss.setAttribute('points', place(loss, most));
    this.#lines.accuracy.setAttribute('points', place(accuracy, 1));
    const [first, last] = [loss[0]![1], loss.at(-1)![1]].map((value) => value.toFixed(3));
    this.#svg.setAttribute('aria-label', t('teach.curve', { first: first!, last: last! }));
    this.#words.loss.textContent = `${t('teach.loss')} ${last}`;
    const right = accuracy.at(-1);
    this.#words.accuracy.textContent = right === undefined ? '' : t('teach.accuracy', { share: percent(right[1]) });
  }
}

function push(points: Point[], share: number, value: number | undefined): void {
  if (value === undefined || !Number.isFinite(value)) return;
  if ((points.at(-1)?.[0] ?? -1) < share) points.push([share, value]);
}

function line(className: string): SVGPolylineElement {
  const made = document.createElementNS(SVG, 'polyline');
  made.setAttribute('class', className);
  return made;
}

const place = (points: readonly Point[], most: number): string =>
  points
    .map(([x, value]) => {
      const across = MARGIN + x * (WIDTH - 2 * MARGIN);
      return `${across.toFixed(1)},${(HEIGHT - MARGIN - (value / most) * (HEIGHT - 2 * MARGIN)).toFixed(1)}`;
    })
    .join(' ');
