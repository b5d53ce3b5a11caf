/** Sums for a bias: there is one pixel of each image, so one plain loop serves the engines without SIMD. */
import type { PlainI16Kernel } from '../kernel-i16.js';
import type { SumsSpec } from '../spec.js';

export const sums: PlainI16Kernel<SumsSpec> = {
  op: 'sums',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,C] · w [K,C] · bias [K] → y [N,K] */
  run({ batch: N, inChannels: C, outChannels: K }, { x, weights: w, bias, y }) {
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        let sum = bias[k];
        for (let c = 0; c < C; c++) sum += x[n * C + c] * w[k * C + c];
        y[n * K + k] = sum;
      }
    }
  },
};
