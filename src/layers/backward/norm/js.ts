/**
 * Sums over pixels in plain JavaScript: four pixels at a time go over all channels, so that a sum is read and written once for
 * four additions.
 */
import { clampRange } from '../../clamp.js';
import type { Kernel } from '../../kernel.js';
import type { ChannelSumSpec, NormDxSpec, NormMomentsSpec, NormSumsSpec, ScaleShiftSpec } from '../spec.js';

/** x [P,C] → sums [C], added. */
function addPixels(P: number, C: number, x: Float32Array, sums: Float64Array): void {
  const fours = P - (P % 4);
  for (let p = 0, i = 0; p < fours; p += 4, i = (i + 3 * C) | 0) {
    for (let c = 0; c < C; c++, i = (i + 1) | 0) {
      sums[c] += x[i] + x[(i + C) | 0] + x[(i + 2 * C) | 0] + x[(i + 3 * C) | 0];
    }
  }
  for (let i = fours * C; i < P * C; i++) sums[i % C] += x[i];
}

export const channelSumJs: Kernel<ChannelSumSpec> = {
  op: 'channel_sum',
  engine: 'js',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] → y += [C] */
  run({ pixels: P, channels: C }, { x, y }) {
    const sums = new Float64Array(C);
    addPixels(P, C, x, sums);
    for (let c = 0; c < C; c++) y[c] += sums[c];
  },
};

/** x [P,C] → squares of how far it is from the means [C], added. */
function addSquares(P: number, C: number, x: Float32Array, means: Float64Array, squares: Float64Array): void {
  const fours = P - (P % 4);
  for (let p = 0, i = 0; p < fours; p += 4, i = (i + 3 * C) | 0) {
    for (let c = 0; c < C; c++, i = (i + 1) | 0) {
      const mean = means[c];
      const a = x[i] - mean;
      const b = x[(i + C) | 0] - mean;
      const d = x[(i + 2 * C) | 0] - mean;
      const e = x[(i + 3 * C) | 0] - mean;
      squares[c] += a * a + b * b + d * d + e * e;
    }
  }
  for (let i = fours * C; i < P * C; i++) squares[i % C] += (x[i] - means[i % C]) ** 2;
}

/** Two passes, as the plain one. */
export const normMomentsJs: Kernel<NormMomentsSpec> = {
  op: 'norm_moments',
  engine: 'js',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] → y [2,C]: means, then variances */
  run({ pixels: P, channels: C }, { x, y }) {
    const means = new Float64Array(C);
    const squares = new Float64Array(C);
    addPixels(P, C, x, means);
    for (let c = 0; c < C; c++) means[c] /= P;
    addSquares(P, C, x, means, squares);
    for (let c = 0; c < C; c++) {
      y[c] = means[c];
      y[C + c] = squares[c] / P;
    }
  },
};

export const normSumsJs: Kernel<NormSumsSpec> = {
  op: 'norm_sums',
  engine: 'js',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] · other = dy [P,C] · weights = moments [2,C] → y [2,C]: Σ dy, then Σ dy·(x − mean) */
  run({ pixels: P, channels: C }, { x, other: dy, weights: moments, y }) {
    const sums = new Float64Array(C);
    const products = new Float64Array(C);
    const fours = P - (P % 4);
    for (let p = 0, i = 0; p < fours; p += 4, i = (i + 3 * C) | 0) {
      for (let c = 0; c < C; c++, i = (i + 1) | 0) {
        const [j, k, l] = [(i + C) | 0, (i + 2 * C) | 0, (i + 3 * C) | 0];
        const mean = moments[c];
        const a = dy[i];
        const b = dy[j];
        const d = dy[k];
        const e = dy[l];
        sums[c] += a + b + d + e;
        products[c] += a * (x[i] - mean) + b * (x[j] - mean) + d * (x[k] - mean) + e * (x[l] - mean);
      }
    }
    for (let i = fours * C; i < P * C; i++) {
      sums[i % C] += dy[i];
      products[i % C] += dy[i] * (x[i] - moments[i % C]);
    }
    y.set(sums);
    y.set(products, C);
  },
};

export const scaleShiftJs: Kernel<ScaleShiftSpec> = {
  op: 'scale_shift',
  engine: 'js',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] · weights [2,C]: scales, then shifts → y [P,C] */
  run({ pixels: P, channels: C, activation }, { x, weights, y }) {
    const fours = P - (P % 4);
    for (let p = 0, i = 0; p < fours; p += 4, i = (i + 3 * C) | 0) {
      for (let c = 0; c < C; c++, i = (i + 1) | 0) {
        const [j, k, l] = [(i + C) | 0, (i + 2 * C) | 0, (i + 3 * C) | 0];
        const scale = weights[c];
        const shift = weights[(C + c) | 0];
        y[i] = x[i] * scale + shift;
        y[j] = x[j] * scale + shift;
        y[k] = x[k] * scale + shift;
        y[l] = x[l] * scale + shift;
      }
      clampRange(y, i - C, i + 3 * C, activation);
    }
    for (let i = fours * C; i < P * C; i++) y[i] = x[i] * weights[i % C] + weights[C + (i % C)];
    clampRange(y, fours * C, P * C, activation);
  },
};

export const normDxJs: Kernel<NormDxSpec> = {
  op: 'norm_dx',
  engine: 'js',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] · other = dy [P,C] · weights [3,C] → y [P,C], which may be dy */
  run({ pixels: P, channels: C }, { x, other: dy, weights, y }) {
    const fours = P - (P % 4);
    for (let p = 0, i = 0; p < fours; p += 4, i = (i + 3 * C) | 0) {
      for (let c = 0; c < C; c++, i = (i + 1) | 0) {
        const [j, k, l] = [(i + C) | 0, (i + 2 * C) | 0, (i + 3 * C) | 0];
        const ofDy = weights[c];
        const ofX = weights[(C + c) | 0];
        const more = weights[(2 * C + c) | 0];
        y[i] = dy[i] * ofDy + x[i] * ofX + more;
        y[j] = dy[j] * ofDy + x[j] * ofX + more;
        y[k] = dy[k] * ofDy + x[k] * ofX + more;
        y[l] = dy[l] * ofDy + x[l] * ofX + more;
      }
    }
    for (let i = fours * C; i < P * C; i++) {
      const c = i % C;
      y[i] = dy[i] * weights[c] + x[i] * weights[C + c] + weights[2 * C + c];
    }
  },
};
