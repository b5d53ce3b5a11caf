/** 1×1 convolution in plain JavaScript: blocks of pixels go through the lanes of matrix-product.ts. */
import { type Kernel, NONE, scaled } from '../kernel.js';
import { blockPixels, LANE, multiplyBlock, PIXEL_LANES } from '../matrix-product.js';
import type { PointwiseSpec } from '../spec.js';

const ZERO = new Float32Array(1);

/** Copies [count, C] pixels from `first` on into the lanes, a third into each. */
export function fillLanes(x: Float32Array | Int8Array | Int16Array, first: number, count: number, C: number): void {
  const third = Math.ceil(count / 3);
  for (let lane = 0, from = 0; lane < 3; lane++, from += third) {
    const to = Math.min(from + third, count);
    if (from < to) PIXEL_LANES[lane].set(x.subarray((first + from) * C, (first + to) * C));
  }
}

export const pointwiseJs: Kernel<PointwiseSpec> = {
  op: 'pointwise',
  engine: 'js',
  supports: (spec) => spec.inChannels <= LANE,
  pack: (_spec, weights, scale = null) => scaled(weights, scale),

  /** x [N,P,C] · w [K,C] · bias [K] or [N,K] (· residual [N,P,K]) → y [N,P,K] */
  run(spec, { x, weights: w, bias, residual, y }) {
    const { batch: N, pixels: P, inChannels: C, outChannels: K } = spec;

    // With one bias for all, a batch is nothing but more pixels.
    const images = spec.biasPerImage ? N : 1;
    const pixels = spec.biasPerImage ? P : N * P;

    // A single pixel, as in the classifier, would leave two thirds of each tile idle and pay for filling lanes with
    // weights used once. So the product is turned around: rows of weights take the place of pixels, the pixel that of
    // the weights, and the bias comes in as residual. The classifier takes 0.6 ms this way, 1.9 the other.
    if (pixels === 1 && images === 1 && !spec.residual) {
      const most = blockPixels(C);
      for (let first = 0; first < K; first += most) {
        const count = Math.min(most, K - first);
        fillLanes(w, first, count, C);
        multiplyBlock(first, count, C, 1, x, ZERO, 0, bias, y, spec.activation);
      }
      return;
    }

    const most = blockPixels(C);
    for (let n = 0; n < images; n++) {
      for (let p = 0; p < pixels; p += most) {
        const first = n * pixels + p;
        const count = Math.min(most, pixels - p);
        fillLanes(x, first, count, C);
        multiplyBlock(first, count, C, K, w, bias, n * K, spec.residual ? residual : NONE, y, spec.activation);
      }
    }
  },
};
