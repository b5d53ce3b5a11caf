/** 3×3 depthwise convolution in plain JavaScript (lanes.ts). */
import { clampRange } from '../clamp.js';
import { type Kernel, scaled } from '../kernel.js';
import type { DepthwiseSpec } from '../spec.js';
import { filterRows, inLanes, packPhases } from './lanes.js';

export const depthwiseJs: Kernel<DepthwiseSpec> = {
  op: 'depthwise3x3',
  engine: 'js',
  supports: inLanes,
  pack: ({ channels: C }, weights, scale = null) => packPhases(C, scaled(weights, scale), new Float32Array(27 * C)),

  /** x [N,H,W,C] · w packed · bias [C] → y [N,OH,OW,C] */
  run(spec, operands) {
    const { y } = operands;
    filterRows(spec, operands, (sums, count, at) => {
      clampRange(sums, 0, count, spec.activation);
      y.set(sums.subarray(0, count), at);
    });
  },
};
