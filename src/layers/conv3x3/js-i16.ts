/** 3×3 convolution of whole numbers in plain JavaScript: taps are gathered into the lanes of matrix-product.ts, as in js.ts. */
import type { I16Kernel } from '../kernel-i16.js';
import { blockPixels, LANE, multiplyBlockI16, PIXEL_LANES } from '../matrix-product.js';
import type { Conv3x3I16Spec } from '../spec.js';

/** The taps of one output pixel, in the order [3,3,C], to lane[at …]; outside the picture 0. */
function gather(
  lane: Float64Array,
  at: number,
  x: Int16Array,
  n: number,
  C: number,
  H: number,
  W: number,
  top: number,
  left: number,
): void {
  for (let h = top; h < top + 3; h++) {
    const row = (n * H + h) * W;
    for (let v = left; v < left + 3; v++) {
      const inside = h >= 0 && h < H && v >= 0 && v < W;
      for (let c = 0; c < C; c++) lane[at++] = inside ? x[(row + v) * C + c] : 0;
    }
  }
}

export const conv3x3I16Js: I16Kernel<Conv3x3I16Spec> = {
  op: 'conv3x3',
  engine: 'js',
  supports: (spec) => spec.inChannels * 9 <= LANE,

  /** [K,C,3,3] → [K,3,3,C] */
  pack({ inChannels: C, outChannels: K }, weights) {
    const packed = weights.slice();
    for (let k = 0, to = 0; k < K; k++) {
      for (let tap = 0; tap < 9; tap++) {
        for (let c = 0; c < C; c++) packed[to++] = weights[(k * C + c) * 9 + tap];
      }
    }
    return packed;
  },

  /** x [N,H,W,C] · w [K,C,3,3] · bias, multiplier [K] → y [N,OH,OW,K] */
  run(spec, { x, weights: w, bias, multiplier, y }) {
    const { batch: N, inChannels: C, inHeight: H, inWidth: W, lo, hi } = spec;
    const { outChannels: K, outHeight: OH, outWidth: OW, stride, padTop, padLeft } = spec;

    const taps = 9 * C;
    const pixels = N * OH * OW;
    const most = blockPixels(taps);
    const to = { bias, biasAt: 0, multiplier, lo, hi, y };
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
      multiplyBlockI16(first, count, taps, K, w, to);
    }
  },
};
