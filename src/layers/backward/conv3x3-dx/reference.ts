/** The gradient of a 3×3 convolution's input, the picture, as it would stand on a whiteboard. The other engines are compared with it. */
import { type Kernel, scaled } from '../../kernel.js';
import type { Conv3x3DxSpec } from '../spec.js';

export const conv3x3DxReference: Kernel<Conv3x3DxSpec> = {
  op: 'conv3x3_dx',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights, scale = null) => scaled(weights, scale),

  /** x = dy [N,OH,OW,K] · w [K,C,3,3] → y = dX [N,C,H,W] */
  run(spec, { x: dy, weights: w, y }) {
    const { batch: N, inChannels: C, inHeight: H, inWidth: W } = spec;
    const { outChannels: K, outHeight: OH, outWidth: OW, stride, padTop, padLeft } = spec;

    let to = 0;
    for (let n = 0; n < N; n++) {
      for (let c = 0; c < C; c++) {
        for (let h = 0; h < H; h++) {
          for (let v = 0; v < W; v++) {
            let sum = 0;
            for (let r = 0; r < 3; r++) {
              for (let s = 0; s < 3; s++) {
                // Which output has this pixel under its tap (r, s).
                const oh = (h + padTop - r) / stride;
                const ow = (v + padLeft - s) / stride;
                if (!Number.isInteger(oh) || !Number.isInteger(ow)) continue;
                if (oh < 0 || oh >= OH || ow < 0 || ow >= OW) continue;
                const from = ((n * OH + oh) * OW + ow) * K;
                for (let k = 0; k < K; k++) sum += dy[from + k] * w[((k * C + c) * 3 + r) * 3 + s];
              }
            }
            y[to++] = sum;
          }
        }
      }
    }
  },
};
