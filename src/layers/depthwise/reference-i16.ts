/** 3×3 depthwise convolution of whole numbers, as it would stand on a whiteboard. The sum is exact, and rounded once. */
import type { I16Kernel } from '../kernel-i16.js';
import { requantize } from '../requantize.js';
import type { DepthwiseI16Spec } from '../spec.js';

export const depthwiseI16Reference: I16Kernel<DepthwiseI16Spec> = {
  op: 'depthwise3x3',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,H,W,C] · w [C,1,3,3] · bias, multiplier [C] → y [N,OH,OW,C] */
  run(spec, { x, weights: w, bias, multiplier, y }) {
    const { batch: N, inHeight: H, inWidth: W, channels: C } = spec;
    const { outHeight: OH, outWidth: OW, stride, dilation, padTop, padLeft, rowsHeld = H, lo, hi } = spec;

    for (let n = 0; n < N; n++) {
      for (let oh = 0; oh < OH; oh++) {
        for (let ow = 0; ow < OW; ow++) {
          for (let c = 0; c < C; c++) {
            let sum = bias[c];
            for (let r = 0; r < 3; r++) {
              for (let s = 0; s < 3; s++) {
                const h = oh * stride - padTop + r * dilation;
                const v = ow * stride - padLeft + s * dilation;
                if (h < 0 || h >= H || v < 0 || v >= W) continue; // the padding is zeros
                sum += x[((n * H + (h % rowsHeld)) * W + v) * C + c] * w[(c * 3 + r) * 3 + s];
              }
            }
            y[((n * OH + oh) * OW + ow) * C + c] = requantize(sum, multiplier[c], lo, hi);
          }
        }
      }
    }
  },
};
