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

    for (let n = 0; n < images; n++) {
      const to = { bias, biasAt: n * K, multiplier, lo, hi, y };
      for (let p = 0; p < pixels; p += most) {
        const first = n * pixels + p;
        const count = Math.min(most, pixels - p);
        fillLanes(x, first, count, C);
        multiplyBlockI16(first, count, C, K, w, to);
      }
    }
  },
};
