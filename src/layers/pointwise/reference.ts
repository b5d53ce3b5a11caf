/**
 * 1×1 convolution, as it would stand on a whiteboard: every output channel of a pixel is the dot product of the pixel's
 * input channels with one row of weights. Never optimised; the other engines are compared with it.
 */
import { type Kernel, scaled } from '../kernel.js';
import { clampBounds, type PointwiseSpec } from '../spec.js';

export const pointwiseReference: Kernel<PointwiseSpec> = {
  op: 'pointwise',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights, scale = null) => scaled(weights, scale),

  /** x [N,P,C] · w [K,C] · bias [K] or [N,K] (· residual [N,P,K]) → y [N,P,K] */
  run(spec, { x, weights: w, bias, residual, y }) {
    const { batch: N, pixels: P, inChannels: C, outChannels: K } = spec;
    const { lo, hi } = clampBounds(spec.activation);

    for (let n = 0; n < N; n++) {
      for (let p = 0; p < P; p++) {
        for (let k = 0; k < K; k++) {
          let sum = bias[spec.biasPerImage ? n * K + k : k];
          for (let c = 0; c < C; c++) sum += x[(n * P + p) * C + c] * w[k * C + c];
          const at = (n * P + p) * K + k;
          if (spec.residual) sum += residual[at];
          y[at] = Math.min(Math.max(sum, lo), hi);
        }
      }
    }
  },
};
