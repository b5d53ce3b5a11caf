/**
 * 3×3 depthwise convolution, as it would stand on a whiteboard: every channel has a 3×3 filter of its own and sees no
 * other channel. With dilation d the nine taps lie d pixels apart. Never optimised; the other engines are compared
 * with it.
 */
import { type Kernel, scaled } from '../kernel.js';
import { clampBounds, type DepthwiseSpec } from '../spec.js';

export const depthwiseReference: Kernel<DepthwiseSpec> = {
  op: 'depthwise3x3',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights, scale = null) => scaled(weights, scale),

  /** x [N,H,W,C] · w [C,1,3,3] · bias [C] → y [N,OH,OW,C] */
  run(spec, { x, weights: w, bias, y }) {
    const { batch: N, inHeight: H, inWidth: W, channels: C } = spec;
    const { outHeight: OH, outWidth: OW, stride, dilation, padTop, padLeft, rowsHeld = H } = spec;
    const { lo, hi } = clampBounds(spec.activation);

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
            y[((n * OH + oh) * OW + ow) * C + c] = Math.min(Math.max(sum, lo), hi);
          }
        }
      }
    }
  },
};
