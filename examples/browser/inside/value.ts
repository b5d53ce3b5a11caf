/** One value: what it sees of the picture, and the sum that made it. */
import { make } from '../dom.js';
import { apart, decimal, t } from '../i18n.js';
import type { Sum, Value } from '../protocol.js';
import { colorOf, isLight } from './paint.js';

export class ValueView {
  readonly element: HTMLDivElement;
  readonly #field = make('span', { className: 'field' });
  readonly #sum = make('div', { className: 'sum' });
  readonly #text = make('p', { className: 'result' });
  readonly #size: { width: number; height: number };
  readonly #bright: number;

  /** @param picture what the network was given */
  constructor(picture: ImageBitmap, layer: string, bright: number) {
    this.#bright = bright;
    this.#size = { width: picture.width, height: picture.height };
    const canvas = make('canvas');
    [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext('2d')!.drawImage(picture, 0, 0);
    canvas.role = 'img';
    canvas.ariaLabel = t('inside.fieldLabel', { layer });
    this.#text.ariaLive = 'polite';
    this.element = make(
      'div',
      { className: 'value-parts' },
      make('div', { className: 'seen' }, canvas, this.#field),
      make('div', {}, this.#sum, this.#text),
    );
  }

  show({ network, sees, sum, y, x }: Value): void {
    const { width, height } = this.#size;
    const box = sees ?? { left: 0, top: 0, width, height };
    Object.assign(this.#field.style, {
      left: `${(100 * box.left) / width}%`,
      top: `${(100 * box.top) / height}%`,
      width: `${(100 * box.width) / width}%`,
      height: `${(100 * box.height) / height}%`,
    });
    if (sum === null) {
      this.#sum.replaceChildren();
      this.#text.textContent = t('inside.noSum', { y, x, value: decimal(network, 4) });
      return;
    }
    this.#sum.replaceChildren(...(sum.depthwise || sum.kernel === 3 ? this.#windows(sum) : [this.#list(sum)]));
    const bounded = sum.activation === 'relu6';
    this.#text.replaceChildren(
      t(bounded ? 'inside.sumRelu6' : 'inside.sum', {
        ...{ y, x, bias: decimal(sum.bias, 4), sum: decimal(sum.sum, 4), result: decimal(sum.result, 4) },
        products: decimal(sum.sum - sum.bias, 4),
      }),
      make('br'),
      make('b', { text: t('inside.network', { value: decimal(network, 4) }) }),
    );
    this.#text.dataset.sum = String(sum.result);
    this.#text.dataset.network = String(network);
  }

  /** Nine numbers, nine weights, nine products; for each channel that is read. */
  #windows({ terms, kernel }: Sum): HTMLElement[] {
    const each = kernel * kernel;
    const most = Math.max(...terms.map(({ weight }) => Math.abs(weight)), 1e-9);
    return Array.from({ length: terms.length / each }, (_, n) => {
      const own = terms.slice(n * each, (n + 1) * each);
      return make(
        'div',
        { className: 'windows' },
        nine(
          own.map(({ value }) => value),
          this.#bright,
          t('inside.values'),
        ),
        make('span', { text: '×' }),
        nine(
          own.map(({ weight }) => weight),
          most,
          t('inside.weights'),
        ),
        make('span', { text: '=' }),
        nine(
          own.map(({ product }) => product),
          this.#bright,
          t('inside.products'),
        ),
      );
    });
  }

  /** The largest of many products, and what the others come to. */
  #list({ terms, rest, others }: Sum): HTMLElement {
    const most = Math.max(...terms.map(({ product }) => Math.abs(product)), 1e-9);
    const row = (name: string, text: string, product: number) => {
      const bar = make('span', { className: product < 0 ? 'bar against' : 'bar' });
      bar.style.width = `${Math.min(100, (100 * Math.abs(product)) / most)}%`;
      return make(
        'li',
        {},
        make('span', { text: name }),
        make('span', { text }),
        make('span', { className: 'track' }, bar),
        make('b', { text: decimal(product) }),
      );
    };
    const list = make('ol', { className: 'terms' });
    for (const { channel, value, weight, product } of terms) {
      list.append(row(t('inside.term', { channel }), apart(`${decimal(value)} × ${decimal(weight)}`), product));
    }
    if (others > 0) list.append(row(t('inside.others', { count: others }), '', rest));
    return list;
  }
}

function nine(values: readonly number[], bright: number, caption: string): HTMLElement {
  const grid = make('div', { className: 'nine' });
  for (const value of values) {
    const cell = make('span', { text: decimal(value) });
    cell.style.background = colorOf(value, bright);
    cell.classList.toggle('light', isLight(value, bright));
    grid.append(cell);
  }
  return make('figure', {}, grid, make('figcaption', { text: caption }));
}
