/**
 * Batch norm over a batch, what is done once a channel. With σ = √(variance + ε), x̂ = (x − mean) / σ and sums over P pixels:
 *
 *     y  = γ·x̂ + β = (γ/σ)·x + (β − mean·γ/σ)
 *     dγ = Σ dy·x̂,  dβ = Σ dy
 *     dx = (γ/σ) · (dy − Σ dy / P − x̂ · Σ dy·x̂ / P)
 *
 * the last of which is affine in dy and x.
 */
import type { PlainKernel } from '../../kernel.js';
import type { NormDwSpec, NormDxWeightsSpec, NormScaleSpec } from '../spec.js';

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
