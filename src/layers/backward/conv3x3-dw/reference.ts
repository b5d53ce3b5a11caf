/** The gradient of a 3×3 convolution's weights, as it would stand on a whiteboard. The other engines are compared with it. */
import type { Kernel } from '../../kernel.js';
import type { Conv3x3DwSpec } from '../spec.js';

export const conv3x3DwReference: Kernel<Conv3x3DwSpec> = {
  op: 'conv3x3_dw',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,C,H,W] · other = dy [N,OH,OW,K] → y += dW [K,C,3,3] */
  run(spec, { x, other: dy, y }) {
    const { batch: N, inChannels: C, inHeight: H, inWidth: W } = spec;
    const { outChannels: K, outHeight: OH, outWidth: OW, stride, padTop, padLeft } = spec;

    for (let k = 0; k < K; k++) {
      for (let c = 0; c < C; c++) {
        for (let r = 0; r < 3; r++) {
          for (let s = 0; s < 3; s++) {
            let sum = 0;
            for (let n = 0; n < N; n++) {
              for (let oh = 0; oh < OH; oh++) {
                const h = oh * stride - padTop + r;
                if (h < 0 || h >= H) continue; // the padding is zeros
                for (let ow = 0; ow < OW; ow++) {
                  const v = ow * stride - padLeft + s;
                  if (v < 0 || v >= W) continue;
                  sum += x[((n * C + c) * H + h) * W + v] * dy[((n * OH + oh) * OW + ow) * K + k];
                }
              }
            }
            y[((k * C + c) * 3 + r) * 3 + s] += sum;
          }
        }
      }
    }
  },
};
