/** From one scale to another, in integers. One plain loop serves both engines: a read, a product and a write. */
import type { PlainI16Kernel } from '../kernel-i16.js';
import type { RequantizeI16Spec } from '../spec.js';

export const requantizeI16: PlainI16Kernel<RequantizeI16Spec> = {
  op: 'requantize',
  supports: () => true,
  pack: (_spec, weights) => weights,

  run({ size, multiplier, lo, hi }, { x, y }) {
    for (let i = 0; i < size; i++) {
      y[i] = Math.min(Math.max((Math.imul(x[i], multiplier) + 128) >> 8, lo), hi);
    }
  },
};
