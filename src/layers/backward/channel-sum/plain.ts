/** The gradient of a bias: every pixel has added it once. */
import type { PlainKernel } from '../../kernel.js';
import type { ChannelSumSpec } from '../spec.js';

export const channelSum: PlainKernel<ChannelSumSpec> = {
  op: 'channel_sum',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] → y += [C] */
  run({ pixels: P, channels: C }, { x, y }) {
    const sums = new Float64Array(C);
    for (let p = 0, i = 0; p < P; p++) for (let c = 0; c < C; c++) sums[c] += x[i++];
    for (let c = 0; c < C; c++) y[c] += sums[c];
  },
};
