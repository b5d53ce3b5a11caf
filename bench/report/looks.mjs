/** How implementations and operations look, in every chart and every legend. */
import { escapeHtml } from '../../dist/base/html.js';
import { element, point } from './svg.mjs';

export const LOOKS = {
  reference: { title: 'reference', colour: 'grey' },
  js: { title: 'JavaScript', colour: 'yellow' },
  scalar: { title: 'wasm, no SIMD', colour: 'orange' },
  simd: { title: 'wasm, SIMD', colour: 'blue' },
  bands: { title: 'wasm, in bands', colour: 'green' },
  relaxed: { title: 'wasm, relaxed SIMD', colour: 'violet' },
};

export const SHAPES = {
  pointwise: { title: 'pointwise', short: 'pointwise', shape: 'circle' },
  depthwise3x3: { title: 'depthwise', short: 'depthwise', shape: 'triangle' },
  conv3x3: { title: 'first convolution', short: 'first', shape: 'square' },
  inverted_residual: { title: 'inverted residual', short: 'block', shape: 'diamond' },
};

const sample = (shape, colour) =>
  element('svg', { class: 'sample', viewBox: '0 0 14 14', 'aria-hidden': 'true' }, point(7, 7, shape, colour, ''));

const item = (mark, title) => `<span>${mark} ${escapeHtml(title)}</span>`;

/** @param implementations ids of LOOKS; @param operations keys of SHAPES, for a chart that tells them apart */
export function legend(implementations, operations = []) {
  const colours = implementations.map((id) => item(sample('square', LOOKS[id].colour), LOOKS[id].title));
  const shapes = operations.map((op) => item(sample(SHAPES[op].shape, 'ink'), SHAPES[op].title));
  return `<p class="legend">${[...colours, ...shapes].join('\n')}</p>`;
}
