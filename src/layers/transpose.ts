/** NHWC ↔ NCHW at the public surface. One implementation serves every engine: it only moves values. */
import { nchwToNhwc, nhwcToNchw } from '../tensor/shape.js';
import type { PlainKernel, TransposeSpec } from './spec.js';

export const transpose: PlainKernel<TransposeSpec> = {
  op: 'transpose',
  supports: () => true,
  pack: (_spec, weights) => weights,

  run(spec, x, _weights, _bias, _residual, y) {
    const move = spec.toNchw ? nhwcToNchw : nchwToNhwc;
    move(x, y, spec.batch, spec.channels, spec.height, spec.width);
  },
};
