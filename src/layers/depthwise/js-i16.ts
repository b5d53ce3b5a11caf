/** 3×3 depthwise convolution of whole numbers in plain JavaScript (lanes.ts). */
import type { I16Kernel } from '../kernel-i16.js';
import { requantize } from '../requantize.js';
import type { DepthwiseI16Spec } from '../spec.js';
import { filterRows, inLanes, packPhases } from './lanes.js';

export const depthwiseI16Js: I16Kernel<DepthwiseI16Spec> = {
  op: 'depthwise3x3',
  engine: 'js',
  supports: inLanes,
  pack: ({ channels: C }, weights) => packPhases(C, weights, new Int16Array(27 * C)),

  /** x [N,H,W,C] · w packed · bias, multiplier [C] → y [N,OH,OW,C] */
  run(spec, operands) {
    const { channels: C, lo, hi } = spec;
    const { multiplier, y } = operands;
    filterRows(spec, operands, (sums, count, at) => {
      for (let i = 0; i < count; i += C) {
        for (let c = 0; c < C; c++) y[at + i + c] = requantize(sums[i + c], multiplier[c], lo, hi);
      }
    });
  },
};
