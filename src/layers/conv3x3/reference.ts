/**
 * 3×3 convolution over all channels, as it would stand on a whiteboard: for every output, the sum of the nine taps of
 * every input channel. Never optimised; the other engines are compared with it.
 */
import { type Kernel, scaled } from '../kernel.js';
import { type Conv3x3Spec, clampBounds } from '../spec.js';

export const conv3x3Reference: Kernel<Conv3x3Spec> = {
  op: 'conv3x3',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights, scale = null) => scaled(weights, scale),

  /** x [N,C,H,W] · w [K,C,3,3] · bias [K] → y [N,OH,OW,K] */
  run(spec, { x, weights: w, bias, y }) {
    const { batch: N, inChannels: C, inHeight: H, inWidth: W } = spec;
    const { outChannels: K, outHeight: OH, outWidth: OW, stride, padTop, padLeft } = spec;
    const { lo, hi } = clampBounds(spec.activation);

    for (let n = 0; n < N; n++) {
      for (let oh = 0; oh < OH; oh++) {
        for (let ow = 0; ow < OW; ow++) {
          for (let k = 0; k < K; k++) {
            let sum = bias[k];
            for (let c = 0; c < C; c++) {
              for (let r = 0; r < 3; r++) {
                for (let s = 0; s < 3; s++) {
                  const h = oh * stride - padTop + r;
                  const v = ow * stride - padLeft + s;
                  if (h < 0 || h >= H || v < 0 || v >= W) continue; // the padding is zeros
                  sum += x[((n * C + c) * H + h) * W + v] * w[((k * C + c) * 3 + r) * 3 + s];
                }
              }
            }
            y[((n * OH + oh) * OW + ow) * K + k] = Math.min(Math.max(sum, lo), hi);
          }
        }
      }
    }
  },
};
