/** What the norm of all gradients is the root of. */
import type { PlainKernel } from '../../kernel.js';
import type { SumOfSquaresSpec } from '../spec.js';

export const sumOfSquares: PlainKernel<SumOfSquaresSpec> = {
  op: 'sum_of_squares',
  supports: () => true,
  pack: (_spec, weights) => weights,

  /** x → y [1] */
  run({ size }, { x, y }) {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += x[i] * x[i];
    y[0] = sum;
  },
};
