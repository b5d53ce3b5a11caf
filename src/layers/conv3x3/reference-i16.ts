/** 3×3 convolution of whole numbers over all channels, as it would stand on a whiteboard. */
import type { I16Kernel } from '../kernel-i16.js';
import { requantize } from '../requantize.js';
import type { Conv3x3I16Spec } from '../spec.js';

export const conv3x3I16Reference: I16Kernel<Conv3x3I16Spec> = {
  op: 'conv3x3',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,H,W,C] · w [K,C,3,3] · bias, multiplier [K] → y [N,OH,OW,K] */
  run(spec, { x, weights: w, bias, multiplier, y }) {
    const { batch: N, inChannels: C, inHeight: H, inWidth: W, lo, hi } = spec;
    const { outChannels: K, outHeight: OH, outWidth: OW, stride, padTop, padLeft } = spec;

    for (let n = 0; n < N; n++) {
      for (let oh = 0; oh < OH; oh++) {
        for (let ow = 0; ow < OW; ow++) {
          for (let k = 0; k < K; k++) {
            let sum = bias[k];
            for (let r = 0; r < 3; r++) {
              for (let s = 0; s < 3; s++) {
                const h = oh * stride - padTop + r;
                const v = ow * stride - padLeft + s;
                if (h < 0 || h >= H || v < 0 || v >= W) continue; // the padding is zeros
                for (let c = 0; c < C; c++) sum += x[((n * H + h) * W + v) * C + c] * w[((k * C + c) * 3 + r) * 3 + s];
              }
            }
            y[((n * OH + oh) * OW + ow) * K + k] = requantize(sum, multiplier[k], lo, hi);
          }
        }
      }
    }
  },
};
