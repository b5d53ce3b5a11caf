/** 1×1 convolution of whole numbers in plain JavaScript: blocks of pixels go through the lanes of matrix-product.ts. */
import type { I16Kernel } from '../kernel-i16.js';
import { blockPixels, LANE, multiplyBlockI16 } from '../matrix-product.js';
import type { PointwiseI16Spec } from '../spec.js';
import { fillLanes } from './js.js';

export const pointwiseI16Js: I16Kernel<PointwiseI16Spec> = {
  op: 'pointwise',
  engine: 'js',
  supports: (spec) => spec.inChannels <= LANE,
  pack: (_spec, weights) => weights,

  /** x [N,P,C] · w [K,C] · bias [K] or [N,K] · multiplier [K] → y [N,P,K] */
  run(spec, { x, weights: w, bias, multiplier, y }) {
    const { batch: N, pixels: P, inChannels: C, outChannels: K, lo, hi } = spec;
    const most = blockPixels(C);

    // With one bias for all, a batch is nothing but more pixels.
    const images = spec.biasPerImage ? N : 1;
    const pixels = spec.biasPerImage ? P : N * P;

    // A single pixel, as in the classifier: the product is turned around (js.ts).
    if (pixels === 1 && images === 1) {
      for (let first = 0; first < K; first += most) {
        const count = Math.min(most, K - first);
        fillLanes(w, first, count, C);
        multiplyBlockI16(first, count, C, 1, x as Int16Array, bias, 0, multiplier, lo, hi, y, true);
      }
      return;
    }

    for (let n = 0; n < images; n++) {
      for (let p = 0; p < pixels; p += most) {
        const first = n * pixels + p;
        const count = Math.min(most, pixels - p);
        fillLanes(x, first, count, C);
        multiplyBlockI16(first, count, C, K, w, bias, n * K, multiplier, lo, hi, y, false);
      }
    }
  },
};
