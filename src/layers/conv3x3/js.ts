/** 3×3 convolution over all channels in plain JavaScript, by lanes.ts. Gathering costs a quarter of the time. */
import { type Kernel, NONE, scaled } from '../kernel.js';
import { multiplyBlock } from '../matrix-product.js';
import type { Conv3x3Spec } from '../spec.js';
import { fitsLanes, forEachBlock } from './lanes.js';

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
  supports: fitsLanes,
  pack: (_spec, weights, scale = null) => scaled(weights, scale),

  /** x [N,C,H,W] · w [K,C,3,3] · bias [K] → y [N,OH,OW,K] */
  run(spec, { x, weights: w, bias, y }) {
    const { inChannels: C, inHeight: H, inWidth: W, outChannels: K } = spec;

    forEachBlock(
      spec,
      (lane, at, n, top, left) => gather(lane, at, x, n, C, H, W, top, left),
      (first, count, taps) => multiplyBlock(first, count, taps, K, w, bias, 0, NONE, y, spec.activation),
    );
  },
};
