/**
 * y = x + other. One plain loop serves the engines without SIMD: two reads and a write for one addition, bound by
 * memory. In MobileNetV2 the addition rides on a pointwise convolution; this is for graphs where it cannot.
 */
import type { PlainKernel } from '../kernel.js';
import type { AddSpec } from '../spec.js';

export const add: PlainKernel<AddSpec> = {
  op: 'add',
  supports: () => true,
  pack: (_spec, weights) => weights,

  run(spec, { x, other, y }) {
    for (let i = 0; i < spec.size; i++) y[i] = x[i] + other[i];
  },
};
