/** 1×1 convolution of whole numbers, as it would stand on a whiteboard: a dot product that is exact, and rounded once. */
import type { I16Kernel } from '../kernel-i16.js';
import { requantize } from '../requantize.js';
import type { PointwiseI16Spec } from '../spec.js';

export const pointwiseI16Reference: I16Kernel<PointwiseI16Spec> = {
  op: 'pointwise',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,P,C] · w [K,C] · bias [K] or [N,K] · multiplier [K] → y [N,P,K] */
  run(spec, { x, weights: w, bias, multiplier, y }) {
    const { batch: N, pixels: P, inChannels: C, outChannels: K, lo, hi } = spec;

    for (let n = 0; n < N; n++) {
      for (let p = 0; p < P; p++) {
        for (let k = 0; k < K; k++) {
          let sum = bias[spec.biasPerImage ? n * K + k : k];
          for (let c = 0; c < C; c++) sum += x[(n * P + p) * C + c] * w[k * C + c];
          y[(n * P + p) * K + k] = requantize(sum, multiplier[k], lo, hi);
        }
      }
    }
  },
};
