/** The gradient of a 1×1 convolution's input, as it would stand on a whiteboard. The other engines are compared with it. */
import { type Kernel, scaled } from '../../kernel.js';
import { passes } from '../activation/plain.js';
import type { PointwiseDxSpec } from '../spec.js';

export const pointwiseDxReference: Kernel<PointwiseDxSpec> = {
  op: 'pointwise_dx',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights, scale = null) => scaled(weights, scale),

  /** x = dy [P,K] · w [K,C] (· residual [P,C]) (· other [P,C]) → y = dX [P,C] */
  run(spec, { x: dy, weights: w, residual, other, y }) {
    const { pixels: P, inChannels: C, outChannels: K, mask } = spec;
    for (let p = 0; p < P; p++) {
      for (let c = 0; c < C; c++) {
        const at = p * C + c;
        let sum = 0;
        for (let k = 0; k < K; k++) sum += dy[p * K + k] * w[k * C + c];
        if (spec.residual) sum += residual[at];
        y[at] = mask === 'none' || passes(mask, other[at]) ? sum : 0;
      }
    }
  },
};
