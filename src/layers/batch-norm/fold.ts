/**
 * Batch normalisation at inference (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithm 2), folded into the
 * convolution before it.
 */
/** What a batch norm holds, a value for each of its K channels, and the bias of the convolution before it. */
export interface Foldable {
  /** [K], or undefined for a convolution without one. */
  bias?: Float32Array | undefined;
  gamma: Float32Array;
  beta: Float32Array;
  mean: Float32Array;
  variance: Float32Array;
  epsilon: number;
}

/**
 * What makes the convolution one that does what convolution and batch norm did together: a factor for the weights of
 * each output channel, which a kernel multiplies in while it packs them (`scaled` in kernel.ts), and the bias.
 *
 * With s = γ / √(σ² + ε), one number a channel, both are affine in x:
 *
 *     bn(w·x + b) = (w·x + b − μ) · s + β = (s·w)·x + (b − μ)·s + β
 *
 * so weights s·w and bias (b − μ)·s + β do the same. Computed in float64, rounded to float32 once. Zero padding stays
 * right: it is applied to x, before either. The other order, batch norm first, could not be folded at a border.
 */
export function foldFactors(norm: Foldable): { scale: Float64Array; bias: Float32Array } {
  const { gamma, beta, mean, variance, epsilon } = norm;
  const scale = new Float64Array(gamma.length);
  const bias = new Float32Array(gamma.length);
  for (let k = 0; k < gamma.length; k++) {
    scale[k] = gamma[k] / Math.sqrt(variance[k] + epsilon);
    bias[k] = ((norm.bias?.[k] ?? 0) - mean[k]) * scale[k] + beta[k];
  }
  return { scale, bias };
}
