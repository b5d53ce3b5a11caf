/** Batch norm as a step of its own, as the paper draws it. */
import type { PlainKernel } from '../kernel.js';
import type { BatchNormSpec } from '../spec.js';

/** One implementation serves every engine: folding leaves none in MobileNetV2. */
export const batchNorm: PlainKernel<BatchNormSpec> = {
  op: 'batch_norm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [pixels,C] · weights [4,C] (gamma, beta, mean, variance) → y [pixels,C] */
  run(spec, { x, weights, y }) {
    const { pixels, channels: C, epsilon } = spec;
    for (let c = 0; c < C; c++) {
      const gamma = weights[c];
      const beta = weights[C + c];
      const mean = weights[2 * C + c];
      const variance = weights[3 * C + c];
      const scale = gamma / Math.sqrt(variance + epsilon);
      for (let p = 0, i = c; p < pixels; p++, i += C) y[i] = (x[i] - mean) * scale + beta;
    }
  },
};
