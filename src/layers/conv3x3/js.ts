/**
 * 3×3 convolution over all channels in plain JavaScript: the 9·C taps of a pixel are gathered into a row of the lanes
 * of matrix-product.ts, and the convolution is a 1×1 convolution of those. Gathering costs a quarter of the time.
 */
import { type Kernel, NONE, scaled } from '../kernel.js';
import { blockPixels, LANE, multiplyBlock, PIXEL_LANES } from '../matrix-product.js';
import type { Conv3x3Spec } from '../spec.js';

/** The taps of one output pixel, in the order of the weights [C,3,3], to lane[at …]; outside the picture 0. */
function gather(
  lane: Float64Array,
  at: number,
  x: Float32Array,
  n: number,
  C: number,
  H: number,
  W: number,
  top: number,
  left: number,
): void {
  for (let c = 0; c < C; c++) {
    for (let h = top; h < top + 3; h++) {
      const row = ((n * C + c) * H + h) * W;
      const inside = h >= 0 && h < H;
      for (let v = left; v < left + 3; v++) lane[at++] = inside && v >= 0 && v < W ? x[row + v] : 0;
    }
  }
}

export const conv3x3Js: Kernel<Conv3x3Spec> = {
  op: 'conv3x3',
  engine: 'js',
  supports: (spec) => spec.inChannels * 9 <= LANE,
  pack: (_spec, weights, scale = null) => scaled(weights, scale),

  /** x [N,C,H,W] · w [K,C,3,3] · bias [K] → y [N,OH,OW,K] */
  run(spec, { x, weights: w, bias, y }) {
    const { batch: N, inChannels: C, inHeight: H, inWidth: W } = spec;
    const { outChannels: K, outHeight: OH, outWidth: OW, stride, padTop, padLeft } = spec;

    const taps = 9 * C;
    const pixels = N * OH * OW;
    const most = blockPixels(taps);
    for (let first = 0; first < pixels; first += most) {
      const count = Math.min(most, pixels - first);
      const third = Math.ceil(count / 3);
      for (let p = 0; p < count; p++) {
        const ow = (first + p) % OW;
        const row = Math.floor((first + p) / OW);
        const n = Math.floor(row / OH);
        const lane = PIXEL_LANES[Math.floor(p / third)];
        gather(lane, (p % third) * taps, x, n, C, H, W, (row % OH) * stride - padTop, ow * stride - padLeft);
      }
      multiplyBlock(first, count, taps, K, w, bias, 0, NONE, y, spec.activation);
    }
  },
};
