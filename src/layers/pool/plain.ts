/**
 * Average pooling. One plain loop serves the engines without SIMD: it reads each value once or, for 7×7 windows, from
 * cache, and a network does it once, on its smallest feature map.
 */
import type { PlainKernel } from '../kernel.js';
import type { AveragePoolSpec } from '../spec.js';

export const averagePool: PlainKernel<AveragePoolSpec> = {
  op: 'average_pool',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,H,W,C] → y [N,H-R+1,W-S+1,C] */
  run(spec, { x, y }) {
    const { batch: N, inHeight: H, inWidth: W, channels: C, kernelHeight: R, kernelWidth: S } = spec;
    const OH = H - R + 1;
    const OW = W - S + 1;

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
            y[to++] = sum / (R * S);
          }
        }
      }
    }
  },
};
