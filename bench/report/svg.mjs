/** Lines, points and words as SVG, in the colours of the page (src/base/html.ts). */
import { escapeHtml } from '../../dist/base/html.js';

const attributes = (values) =>
  Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${typeof value === 'number' ? Number(value.toFixed(1)) : escapeHtml(value)}"`)
    .join('');

export const element = (tag, values, content = '') => `<${tag}${attributes(values)}>${content}</${tag}>`;

export const line = (x1, y1, x2, y2, className) => element('line', { x1, y1, x2, y2, class: className });

/** @param anchor start, middle or end */
export const text = (x, y, words, { anchor = 'start', className, transform } = {}) =>
  element('text', { x, y, 'text-anchor': anchor, class: className, transform }, escapeHtml(words));

/** A point with a shape of its own for each kind of operation; what it is shows where a pointer rests. */
export function point(x, y, shape, colour, hint) {
  const title = element('title', {}, escapeHtml(hint));
  const style = `fill:var(--${colour})`;
  const r = 4.6;
  const paths = {
    circle: `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
    triangle: `M${x} ${y - 5.6}L${x + 5.4} ${y + 4}L${x - 5.4} ${y + 4}z`,
    square: `M${x - 4.2} ${y - 4.2}h8.4v8.4h-8.4z`,
    diamond: `M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}z`,
  };
  const d = paths[shape].replace(/-?\d+\.\d+/g, (number) => Number(number).toFixed(1));
  return element('path', { class: 'point', style, d }, title);
}

/** The powers of ten and their doubles and fives within bounds: `{ value, major }`. */
export function logTicks(from, to) {
  const ticks = [];
  for (let decade = 10 ** Math.floor(Math.log10(from)); decade <= to; decade *= 10) {
    for (const factor of [1, 2, 5]) {
      const value = Number((decade * factor).toPrecision(3));
      if (value >= from && value <= to) ticks.push({ value, major: factor === 1 });
    }
  }
  return ticks;
}

/** Maps from..to onto low..high, by logarithms. */
export const logScale = (from, to, low, high) => (value) =>
  low + ((high - low) * Math.log(value / from)) / Math.log(to / from);
