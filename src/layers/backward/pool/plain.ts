/** Back through average pooling: a pixel has its share of every window that it lies in. */
import type { PlainKernel } from '../../kernel.js';
import type { AveragePoolDxSpec } from '../spec.js';

export const averagePoolDx: PlainKernel<AveragePoolDxSpec> = {
  op: 'average_pool_dx',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x = dy [N,H−R+1,W−S+1,C] → y = dX [N,H,W,C] */
  run(spec, { x: dy, y }) {
    const { batch: N, inHeight: H, inWidth: W, channels: C, kernelHeight: R, kernelWidth: S } = spec;
    const OH = H - R + 1;
    const OW = W - S + 1;

    let to = 0;
    for (let n = 0; n < N; n++) {
      for (let h = 0; h < H; h++) {
        for (let v = 0; v < W; v++) {
          for (let c = 0; c < C; c++) {
            let sum = 0;
            for (let oh = Math.max(0, h - R + 1); oh <= Math.min(h, OH - 1); oh++) {
              for (let ow = Math.max(0, v - S + 1); ow <= Math.min(v, OW - 1); ow++) {
                sum += dy[((n * OH + oh) * OW + ow) * C + c];
              }
            }
            y[to++] = sum / (R * S);
          }
        }
      }
    }
  },
};
