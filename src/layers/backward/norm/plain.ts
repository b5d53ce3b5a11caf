/**
 * Batch norm over a batch (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithm 1) and back through it. What is
 * done once a channel, and not once a pixel, is in coefficients.ts.
 */
import type { PlainKernel } from '../../kernel.js';
import { clampBounds } from '../../spec.js';
import type { NormDxSpec, NormMomentsSpec, NormSumsSpec, ScaleShiftSpec } from '../spec.js';

/** Two passes: the sum of squares less the square of the sum would cancel where a mean is large beside its deviation. */
export const normMoments: PlainKernel<NormMomentsSpec> = {
  op: 'norm_moments',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] → y [2,C]: means, then variances */
  run({ pixels: P, channels: C }, { x, y }) {
    const means = new Float64Array(C);
    const squares = new Float64Array(C);
    for (let p = 0, i = 0; p < P; p++) for (let c = 0; c < C; c++) means[c] += x[i++];
    for (let c = 0; c < C; c++) means[c] /= P;
    for (let p = 0, i = 0; p < P; p++) for (let c = 0; c < C; c++) squares[c] += (x[i++] - means[c]) ** 2;
    for (let c = 0; c < C; c++) {
      y[c] = means[c];
      y[C + c] = squares[c] / P;
    }
  },
};

export const scaleShift: PlainKernel<ScaleShiftSpec> = {
  op: 'scale_shift',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] · weights [2,C]: scales, then shifts → y [P,C] */
  run({ pixels: P, channels: C, activation }, { x, weights, y }) {
    const { lo, hi } = clampBounds(activation);
    for (let p = 0, i = 0; p < P; p++) {
      for (let c = 0; c < C; c++, i++) y[i] = Math.min(Math.max(x[i] * weights[c] + weights[C + c], lo), hi);
    }
  },
};

export const normSums: PlainKernel<NormSumsSpec> = {
  op: 'norm_sums',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] · other = dy [P,C] · weights = moments [2,C] → y [2,C]: Σ dy, then Σ dy·(x − mean) */
  run({ pixels: P, channels: C }, { x, other: dy, weights: moments, y }) {
    const sums = new Float64Array(C);
    const products = new Float64Array(C);
    for (let p = 0, i = 0; p < P; p++) {
      for (let c = 0; c < C; c++, i++) {
        sums[c] += dy[i];
        products[c] += dy[i] * (x[i] - moments[c]);
      }
    }
    y.set(sums);
    y.set(products, C);
  },
};

export const normDx: PlainKernel<NormDxSpec> = {
  op: 'norm_dx',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] · other = dy [P,C] · weights [3,C] → y [P,C], which may be dy */
  run({ pixels: P, channels: C }, { x, other: dy, weights: w, y }) {
    for (let p = 0, i = 0; p < P; p++) {
      for (let c = 0; c < C; c++, i++) y[i] = dy[i] * w[c] + x[i] * w[C + c] + w[2 * C + c];
    }
  },
};
