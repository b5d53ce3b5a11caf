/** The gradient of a depthwise convolution's weights, as it would stand on a whiteboard. The other engines are compared with it. */
import type { Kernel } from '../../kernel.js';
import type { DepthwiseDwSpec } from '../spec.js';

export const depthwiseDwReference: Kernel<DepthwiseDwSpec> = {
  op: 'depthwise3x3_dw',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,H,W,C] · other = dy [N,OH,OW,C] → y += dW [C,1,3,3] */
  run(spec, { x, other: dy, y }) {
    const { batch: N, inHeight: H, inWidth: W, channels: C } = spec;
    const { outHeight: OH, outWidth: OW, stride, dilation, padTop, padLeft } = spec;

    for (let c = 0; c < C; c++) {
      for (let r = 0; r < 3; r++) {
        for (let s = 0; s < 3; s++) {
          let sum = 0;
          for (let n = 0; n < N; n++) {
            for (let oh = 0; oh < OH; oh++) {
              const h = oh * stride - padTop + r * dilation;
              if (h < 0 || h >= H) continue; // the padding is zeros
              for (let ow = 0; ow < OW; ow++) {
                const v = ow * stride - padLeft + s * dilation;
                if (v < 0 || v >= W) continue;
                sum += x[((n * H + h) * W + v) * C + c] * dy[((n * OH + oh) * OW + ow) * C + c];
              }
            }
          }
          y[(c * 3 + r) * 3 + s] += sum;
        }
      }
    }
  },
};
