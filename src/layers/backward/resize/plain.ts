/** Back through the bilinear resize: an output pixel gives each of its four neighbors the part that it took of it. */
import type { PlainKernel } from '../../kernel.js';
import { resizeSource, resizeStep } from '../../resize/plain.js';
import type { ResizeDxSpec } from '../spec.js';

export const resizeBilinearDx: PlainKernel<ResizeDxSpec> = {
  op: 'resize_bilinear_dx',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x = dy [N,OH,OW,C] → y = dX [N,H,W,C] */
  run(spec, { x: dy, y }) {
    const { batch: N, inHeight: H, inWidth: W, channels: C, outHeight: OH, outWidth: OW, alignCorners } = spec;
    const stepH = resizeStep(H, OH, alignCorners);
    const stepW = resizeStep(W, OW, alignCorners);

    const sums = new Float64Array(H * W * C);
    for (let n = 0; n < N; n++) {
      sums.fill(0);
      let from = n * OH * OW * C;
      for (let oh = 0; oh < OH; oh++) {
        const { first: top, second: bottom, after: below } = resizeSource(oh, stepH, H, alignCorners);
        for (let ow = 0; ow < OW; ow++) {
          const { first: left, second: right, after } = resizeSource(ow, stepW, W, alignCorners);
          const topLeft = (top * W + left) * C;
          const topRight = (top * W + right) * C;
          const bottomLeft = (bottom * W + left) * C;
          const bottomRight = (bottom * W + right) * C;
          for (let c = 0; c < C; c++) {
            const d = dy[from++];
            sums[topLeft + c] += d * (1 - below) * (1 - after);
            sums[topRight + c] += d * (1 - below) * after;
            sums[bottomLeft + c] += d * below * (1 - after);
            sums[bottomRight + c] += d * below * after;
          }
        }
      }
      y.set(sums, n * sums.length);
    }
  },
};
