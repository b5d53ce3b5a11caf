/** The gradient of a 1×1 convolution's input in plain JavaScript: a 1×1 convolution of dY with the weights transposed. */
import { type Kernel, scaled } from '../../kernel.js';
import { pointwiseJs } from '../../pointwise/js.js';
import { passClamp } from '../activation/js.js';
import type { PointwiseDxSpec } from '../spec.js';
import { forward } from './forward.js';

export const pointwiseDxJs: Kernel<PointwiseDxSpec> = {
  op: 'pointwise_dx',
  engine: 'js',
  supports: (spec) => pointwiseJs.supports(forward(spec)),

  /** [K,C] → [C,K], and after them a bias of zeros. */
  pack({ inChannels: C, outChannels: K }, unscaled, scale = null) {
    const weights = scaled(unscaled, scale);
    const transposed = new Float32Array((K + 1) * C);
    for (let k = 0; k < K; k++) for (let c = 0; c < C; c++) transposed[c * K + k] = weights[k * C + c];
    return transposed;
  },

  /** x = dy [P,K] · w [K,C] (· residual [P,C]) (· other [P,C]) → y = dX [P,C] */
  run(spec, operands) {
    const { inChannels: C, outChannels: K, mask } = spec;
    const { weights, other, y } = operands;
    pointwiseJs.run(forward(spec), { ...operands, weights, bias: weights.subarray(K * C) });
    if (mask !== 'none') passClamp(mask, { x: other, dy: y, y });
  },
};
