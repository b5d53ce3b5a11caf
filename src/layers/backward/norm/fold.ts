/**
 * Back through the folding of a batch norm (../../batch-norm/fold.ts), whose statistics stay as they are. With σ = √(variance + ε)
 * and s = γ/σ the convolution has the weights W′ = s·W and the bias b′ = β − mean·s. So of the gradients of those
 *
 *     dW = s·dW′,  dβ = db′,  dγ = ∂s/∂γ · (Σ dW′·W − mean·db′) = (Σ dW′·W − mean·db′) / σ
 *
 * and no pixel need be read again.
 */
import type { PlainKernel } from '../../kernel.js';
import type { FoldDgammaSpec, FoldDwSpec } from '../spec.js';

export const foldDw: PlainKernel<FoldDwSpec> = {
  op: 'fold_dw',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x = dW′ [K,R] · weights = γ · other = means, variances → y += dW [K,R] */
  run({ channels: K, perChannel: R, epsilon }, { x: folded, weights: gamma, other: moments, y }) {
    for (let k = 0, i = 0; k < K; k++) {
      const scale = gamma[k] / Math.sqrt(moments[K + k] + epsilon);
      for (let r = 0; r < R; r++, i++) y[i] += scale * folded[i];
    }
  },
};

export const foldDgamma: PlainKernel<FoldDgammaSpec> = {
  op: 'fold_dgamma',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x = dW′ [K,R] · weights = W [K,R] · bias = db′ · other = means, variances → y += dγ [K] */
  run({ channels: K, perChannel: R, epsilon }, { x: folded, weights: w, bias: foldedBias, other: moments, y }) {
    for (let k = 0, i = 0; k < K; k++) {
      let sum = -moments[k] * foldedBias[k];
      for (let r = 0; r < R; r++, i++) sum += folded[i] * w[i];
      y[k] += sum / Math.sqrt(moments[K + k] + epsilon);
    }
  },
};
