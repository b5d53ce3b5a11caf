/** The gradient of a depthwise convolution's input, as it would stand on a whiteboard. The other engines are compared with it. */
import { type Kernel, scaled } from '../../kernel.js';
import { passes } from '../activation/plain.js';
import type { DepthwiseDxSpec } from '../spec.js';

export const depthwiseDxReference: Kernel<DepthwiseDxSpec> = {
  op: 'depthwise3x3_dx',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights, scale = null) => scaled(weights, scale),

  /** x = dy [N,OH,OW,C] · w [C,1,3,3] (· other [N,H,W,C]) → y = dX [N,H,W,C] */
  run(spec, { x: dy, weights: w, other, y }) {
    const { batch: N, inHeight: H, inWidth: W, channels: C } = spec;
    const { outHeight: OH, outWidth: OW, stride, dilation, padTop, padLeft, mask } = spec;

    let to = 0;
    for (let n = 0; n < N; n++) {
      for (let h = 0; h < H; h++) {
        for (let v = 0; v < W; v++) {
          for (let c = 0; c < C; c++) {
            let sum = 0;
            for (let r = 0; r < 3; r++) {
              for (let s = 0; s < 3; s++) {
                // Which output has this pixel under its tap (r, s).
                const oh = (h + padTop - r * dilation) / stride;
                const ow = (v + padLeft - s * dilation) / stride;
                if (!Number.isInteger(oh) || !Number.isInteger(ow)) continue;
                if (oh < 0 || oh >= OH || ow < 0 || ow >= OW) continue;
                sum += dy[((n * OH + oh) * OW + ow) * C + c] * w[(c * 3 + r) * 3 + s];
              }
            }
            y[to] = mask === 'none' || passes(mask, other[to]) ? sum : 0;
            to++;
          }
        }
      }
    }
  },
};
