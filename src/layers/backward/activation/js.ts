/**
 * Through ReLU and ReLU6 in plain JavaScript. Signs are random, so a branch would be guessed wrong half of the time; the bits of
 * floats are compared as integers instead, which order positive numbers alike.
 */
import type { Kernel } from '../../kernel.js';
import type { FusedActivation } from '../../spec.js';
import type { ActivationDxSpec } from '../spec.js';

const INFINITY_BITS = 0x7f800000;
/** The bits of the last number before 6. */
const BELOW_SIX_BITS = 0x40bfffff;

const bitsOf = (values: Float32Array) => new Int32Array(values.buffer, values.byteOffset, values.length);

/**
 * The gradients `dy` that pass a clamp whose input, or output, was x, to y, which may be dy; in their place 0 for those that do
 * not. As in PyTorch a gradient passes where x is NaN.
 */
export function passClamp(
  activation: Exclude<FusedActivation, 'none'>,
  { x, dy, y }: { x: Float32Array; dy: Float32Array; y: Float32Array },
): void {
  const last = activation === 'relu6' ? BELOW_SIX_BITS : INFINITY_BITS;
  const [from, gradients, to] = [bitsOf(x), bitsOf(dy), bitsOf(y)];
  for (let i = 0; i < to.length; i++) {
    const bits = from[i];
    // All ones, or none: 0 and below, or above the last; NaN of either sign.
    const stopped = (bits | (bits - 1) | (last - bits)) >> 31;
    const nan = (INFINITY_BITS - (bits & 0x7fffffff)) >> 31;
    to[i] = gradients[i] & (~stopped | nan);
  }
}

export const activationDxJs: Kernel<ActivationDxSpec> = {
  op: 'activation_dx',
  engine: 'js',
  supports: (spec) => spec.function === 'relu' || spec.function === 'relu6',
  pack: (_spec, weights) => weights,

  run(spec, { x, other: dy, y }) {
    passClamp(spec.function === 'relu6' ? 'relu6' : 'relu', { x, dy, y: y.subarray(0, spec.size) });
  },
};
