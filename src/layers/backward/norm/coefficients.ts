/**
 * Batch norm over a batch: what is done once for each channel, or for each channel of each picture. With σ = √(variance + ε),
 * x̂ = (x − mean) / σ and sums over P pixels:
 *
 *     y  = γ·x̂ + β = (γ/σ)·x + (β − mean·γ/σ)
 *     dγ = Σ dy·x̂,  dβ = Σ dy
 *     dx = (γ/σ) · (dy − Σ dy / P − x̂ · Σ dy·x̂ / P)
 *
 * the last of which is affine in dy and x.
 */
import type { PlainKernel } from '../../kernel.js';
import type { NormDwSpec, NormDxWeightsSpec, NormMomentsJoinSpec, NormScaleSpec, NormSumsJoinSpec } from '../spec.js';

/** x [N,…] → the sum of all rows, [length] */
function sumRows(N: number, length: number, x: Float32Array): Float64Array {
  const sums = new Float64Array(length);
  for (let n = 0, i = 0; n < N; n++) for (let c = 0; c < length; c++) sums[c] += x[i++];
  return sums;
}

export const normMomentsJoin: PlainKernel<NormMomentsJoinSpec> = {
  op: 'norm_moments_join',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,2,C]: means and variances of each picture → y [2,C]. To the mean of variances comes the variance of means. */
  run({ pictures: N, channels: C }, { x, y }) {
    const sums = sumRows(N, 2 * C, x);
    for (let n = 0; n < N; n++) {
      const at = 2 * C * n;
      for (let c = 0; c < C; c++) sums[C + c] += (x[at + c] - sums[c] / N) ** 2;
    }
    for (let c = 0; c < 2 * C; c++) y[c] = sums[c] / N;
  },
};

export const normSumsJoin: PlainKernel<NormSumsJoinSpec> = {
  op: 'norm_sums_join',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,2,C] → y [2,C] */
  run({ pictures: N, channels: C }, { x, y }) {
    y.set(sumRows(N, 2 * C, x));
  },
};

export const normScale: PlainKernel<NormScaleSpec> = {
  op: 'norm_scale',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x = moments [2,C] · weights = γ · bias = β → y [2,C]: scales, then shifts */
  run({ channels: C, epsilon }, { x: moments, weights: gamma, bias: beta, y }) {
    for (let c = 0; c < C; c++) {
      const scale = gamma[c] / Math.sqrt(moments[C + c] + epsilon);
      y[c] = scale;
      y[C + c] = beta[c] - moments[c] * scale;
    }
  },
};

export const normDw: PlainKernel<NormDwSpec> = {
  op: 'norm_dw',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x = moments [2,C] · other = Σ dy, Σ dy·(x − mean) → y += dγ [C] */
  run({ channels: C, epsilon }, { x: moments, other: sums, y }) {
    for (let c = 0; c < C; c++) y[c] += sums[C + c] / Math.sqrt(moments[C + c] + epsilon);
  },
};

export const normDxWeights: PlainKernel<NormDxWeightsSpec> = {
  op: 'norm_dx_weights',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x = moments [2,C] · other = Σ dy, Σ dy·(x − mean) · weights = γ → y [3,C]: factors of dy, of x, and what is added */
  run({ pixels: P, channels: C, epsilon }, { x: moments, other: sums, weights: gamma, y }) {
    for (let c = 0; c < C; c++) {
      const variance = moments[C + c] + epsilon;
      const scale = gamma[c] / Math.sqrt(variance);
      const ofX = (-scale * sums[C + c]) / (variance * P);
      y[c] = scale;
      y[C + c] = ofX;
      y[2 * C + c] = (-scale * sums[c]) / P - moments[c] * ofX;
    }
  },
};
