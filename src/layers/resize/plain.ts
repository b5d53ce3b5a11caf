/**
 * Bilinear resize, as torch.nn.functional.interpolate(mode='bilinear') does it in float32. One plain loop
 * serves the engines without SIMD: four reads and four multiplications a value, along neighbouring channels.
 */
import type { PlainKernel } from '../kernel.js';
import type { ResizeSpec } from '../spec.js';

/**
 * How many input pixels one output pixel spans along one axis, rounded to float32 as PyTorch does.
 *
 * With `alignCorners` the centres of the corner pixels of both pictures coincide, so out−1 steps cover in−1; without,
 * the outer edges do. A single output pixel then reads the first input pixel.
 */
export function resizeStep(inSize: number, outSize: number, alignCorners: boolean): number {
  if (!alignCorners) return Math.fround(inSize / outSize);
  return outSize > 1 ? Math.fround((inSize - 1) / (outSize - 1)) : 0;
}

/**
 * Where the centre of output pixel `o` lies between the centres of the input pixels, in float32 as PyTorch has it: the
 * product is exact in float64, so it is rounded once, as by the fused multiply-add of PyTorch's compiled code.
 *
 * Gives the input pixels on both sides, and how far the centre is from the first.
 */
export function resizeSource(o: number, step: number, inSize: number, alignCorners: boolean) {
  const at = alignCorners ? Math.fround(step * o) : Math.max(0, Math.fround(step * (o + 0.5) - 0.5));
  // Rounding may carry the last coordinate onto the edge: both neighbours are then the last pixel.
  const first = Math.min(Math.trunc(at), inSize - 1);
  return { first, second: Math.min(first + 1, inSize - 1), after: Math.fround(at - first) };
}

export const resizeBilinear: PlainKernel<ResizeSpec> = {
  op: 'resize_bilinear',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,H,W,C] → y [N,OH,OW,C] */
  run(spec, { x, y }) {
    const { batch: N, inHeight: H, inWidth: W, channels: C, outHeight: OH, outWidth: OW, alignCorners } = spec;
    const stepH = resizeStep(H, OH, alignCorners);
    const stepW = resizeStep(W, OW, alignCorners);

    let to = 0;
    for (let n = 0; n < N; n++) {
      for (let oh = 0; oh < OH; oh++) {
        const { first: top, second: bottom, after: below } = resizeSource(oh, stepH, H, alignCorners);
        for (let ow = 0; ow < OW; ow++) {
          const { first: left, second: right, after } = resizeSource(ow, stepW, W, alignCorners);
          const topLeft = ((n * H + top) * W + left) * C;
          const topRight = ((n * H + top) * W + right) * C;
          const bottomLeft = ((n * H + bottom) * W + left) * C;
          const bottomRight = ((n * H + bottom) * W + right) * C;
          for (let c = 0; c < C; c++) {
            const upper = x[topLeft + c] * (1 - after) + x[topRight + c] * after;
            const lower = x[bottomLeft + c] * (1 - after) + x[bottomRight + c] * after;
            y[to++] = upper * (1 - below) + lower * below;
          }
        }
      }
    }
  },
};
