/** The first channel that has the largest number, a pixel at a time. */
import type { PlainI16Kernel } from '../kernel-i16.js';
import type { ArgmaxI16Spec } from '../spec.js';

export const argmaxI16: PlainI16Kernel<ArgmaxI16Spec> = {
  op: 'argmax',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [pixels,C] → y [pixels] */
  run({ pixels, channels: C }, { x, y }) {
    for (let p = 0, at = 0; p < pixels; p++, at += C) {
      let best = 0;
      for (let c = 1; c < C; c++) if (x[at + c] > x[at + best]) best = c;
      y[p] = best;
    }
  },
};
