/** The gradient of a 1×1 convolution's weights in plain JavaScript (weight-product.ts). */
import type { Kernel } from '../../kernel.js';
import type { PointwiseDwSpec } from '../spec.js';
import { addWeightProduct } from '../weight-product.js';

export const pointwiseDwJs: Kernel<PointwiseDwSpec> = {
  op: 'pointwise_dw',
  engine: 'js',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x [P,C] · other = dy [P,K] → y += dW [K,C] */
  run({ pixels, inChannels: C, outChannels: K }, { x, other: dy, y }) {
    const fillColumn = (lane: Float64Array, c: number, first: number, count: number) => {
      for (let p = 0, i = first * C + c; p < count; p++, i += C) lane[p] = x[i];
    };
    addWeightProduct({ pixels, rows: K, columns: C }, dy, fillColumn, y);
  },
};
