/**
 * Average pooling of whole numbers. The sum is exact, and so is the division: in float64 a quotient of integers below 2^31
 * rounds to no integer that it is not.
 */
import type { PlainI16Kernel } from '../kernel-i16.js';
import { requantize } from '../requantize.js';
import type { AveragePoolI16Spec } from '../spec.js';

export const averagePoolI16: PlainI16Kernel<AveragePoolI16Spec> = {
  op: 'average_pool',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,H,W,C] → y [N,H-R+1,W-S+1,C] */
  run(spec, { x, y }) {
    const { batch: N, inHeight: H, inWidth: W, channels: C, kernelHeight: R, kernelWidth: S, lo, hi } = spec;
    const multiplier = spec.multiplier === null ? null : Math.fround(spec.multiplier);
    const OH = H - R + 1;
    const OW = W - S + 1;
    const count = R * S;
    const half = Math.floor(count / 2);

    let to = 0;
    for (let n = 0; n < N; n++) {
      for (let oh = 0; oh < OH; oh++) {
        for (let ow = 0; ow < OW; ow++) {
          for (let c = 0; c < C; c++) {
            let sum = 0;
            for (let r = 0; r < R; r++) {
              let from = ((n * H + oh + r) * W + ow) * C + c;
              for (let s = 0; s < S; s++, from += C) sum += x[from];
            }
            const mean = Math.floor((sum + half) / count);
            y[to++] = multiplier === null ? Math.min(Math.max(mean, lo), hi) : requantize(sum, multiplier, lo, hi);
          }
        }
      }
    }
  },
};
