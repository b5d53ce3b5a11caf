/** Some channels of each pixel. */
import type { PlainKernel } from '../../kernel.js';
import type { SliceSpec } from '../spec.js';

export const sliceChannels: PlainKernel<SliceSpec> = {
  op: 'slice_channels',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] → y [P,`channels`] */
  run({ pixels: P, inChannels: C, from, channels: K }, { x, y }) {
    for (let p = 0; p < P; p++) y.set(x.subarray(p * C + from, p * C + from + K), p * K);
  },
};
