/** Dropout, forward and back alike: one factor for a channel of a picture. */
import type { PlainKernel } from '../../kernel.js';
import type { DropoutSpec } from '../spec.js';

export const dropout: PlainKernel<DropoutSpec> = {
  op: 'dropout',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [N,P,C] · other [N,C] → y [N,P,C], which may be x */
  run({ batch: N, pixels: P, channels: C }, { x, other: factors, y }) {
    let i = 0;
    for (let n = 0; n < N; n++) {
      for (let p = 0; p < P; p++) for (let c = 0; c < C; c++, i++) y[i] = x[i] * factors[n * C + c];
    }
  },
};
