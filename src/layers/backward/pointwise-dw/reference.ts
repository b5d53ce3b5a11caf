/** The gradient of a 1×1 convolution's weights, as it would stand on a whiteboard. The other engines are compared with it. */
import type { Kernel } from '../../kernel.js';
import type { PointwiseDwSpec } from '../spec.js';

export const pointwiseDwReference: Kernel<PointwiseDwSpec> = {
  op: 'pointwise_dw',
  engine: 'reference',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] · other = dy [P,K] → y += dW [K,C] */
  run(spec, { x, other: dy, y }) {
    const { pixels: P, inChannels: C, outChannels: K } = spec;
    for (let k = 0; k < K; k++) {
      for (let c = 0; c < C; c++) {
        let sum = 0;
        for (let p = 0; p < P; p++) sum += dy[p * K + k] * x[p * C + c];
        y[k * C + c] += sum;
      }
    }
  },
};
