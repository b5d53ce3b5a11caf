/**
 * Bilinear resize of whole numbers, in float32 from beginning to end and in the order of TFLite's reference kernel, so that
 * numbers half way between two are rounded as there.
 */
import type { PlainI16Kernel } from '../kernel-i16.js';
import type { ResizeI16Spec } from '../spec.js';
import { resizeStep } from './plain.js';

const f32 = Math.fround;

/** The two input pixels around an output pixel along an axis, and how far it is from the first. Before the first it is negative. */
function neighbors(o: number, size: number, step: number, alignCorners: boolean) {
  const at = alignCorners ? f32(o * step) : f32(f32((o + 0.5) * step) - 0.5);
  const before = Math.max(Math.floor(at), 0);
  return { before, after: Math.min(Math.ceil(at), size - 1), distance: f32(at - before) };
}

export const resizeBilinearI16: PlainI16Kernel<ResizeI16Spec> = {
  op: 'resize_bilinear',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,H,W,C] → y [N,OH,OW,C] */
  run({ batch: N, inHeight: H, inWidth: W, channels: C, outHeight: OH, outWidth: OW, alignCorners, min }, { x, y }) {
    const stepH = resizeStep(H, OH, alignCorners);
    const stepW = resizeStep(W, OW, alignCorners);

    let to = 0;
    for (let n = 0; n < N; n++) {
      for (let oh = 0; oh < OH; oh++) {
        const { before: top, after: bottom, distance: below } = neighbors(oh, H, stepH, alignCorners);
        const above = f32(1 - below);
        for (let ow = 0; ow < OW; ow++) {
          const { before: left, after: right, distance: past } = neighbors(ow, W, stepW, alignCorners);
          const until = f32(1 - past);
          const topLeft = ((n * H + top) * W + left) * C;
          const topRight = ((n * H + top) * W + right) * C;
          const bottomLeft = ((n * H + bottom) * W + left) * C;
          const bottomRight = ((n * H + bottom) * W + right) * C;
          for (let c = 0; c < C; c++) {
            let sum = f32(f32((x[topLeft + c] - min) * above) * until);
            sum = f32(sum + f32(f32((x[bottomLeft + c] - min) * below) * until));
            sum = f32(sum + f32(f32((x[topRight + c] - min) * above) * past));
            sum = f32(sum + f32(f32((x[bottomRight + c] - min) * below) * past));
            y[to++] = Math.trunc(f32(sum + 0.5)) + min;
          }
        }
      }
    }
  },
};
