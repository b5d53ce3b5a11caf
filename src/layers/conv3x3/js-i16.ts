/** 3×3 convolution of whole numbers in plain JavaScript, by lanes.ts. */
import type { I16Kernel } from '../kernel-i16.js';
import { multiplyBlockI16 } from '../matrix-product.js';
import type { Conv3x3I16Spec } from '../spec.js';
import { fitsLanes, forEachBlock } from './lanes.js';

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
  supports: fitsLanes,

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
    const { inChannels: C, inHeight: H, inWidth: W, outChannels: K, lo, hi } = spec;
    const to = { bias, biasAt: 0, multiplier, lo, hi, y };
    forEachBlock(
      spec,
      (lane, at, n, top, left) => gather(lane, at, x, n, C, H, W, top, left),
      (first, count, taps) => multiplyBlockI16(first, count, taps, K, w, to),
    );
  },
};
