/**
 * Back through a clamp: a gradient passes where the value lies between the bounds, not at them, and as in PyTorch where it is NaN.
 * The value may be what went in or what came out.
 */
import { type Expr, type FunctionBuilder, f32x4, type Local, v128 } from '../../tensor/wasm/assembler.js';
import type { FusedActivation } from '../spec.js';

/** The upper bound. A clamp that has no upper bound has NaN here: no value is at or above that. */
export const maskBound = (mask: FusedActivation): number => (mask === 'relu6' ? 6 : Number.NaN);

/**
 * Four at a time.
 * @returns what makes of gradients and values the gradients that pass, and zeros
 */
export function passed(
  f: FunctionBuilder,
  bound: Local<'f32'>,
): (gradients: Expr<'v128'>, values: Expr<'v128'>) => Expr<'v128'> {
  const [high, value] = f.locals('v128', 2);
  f.set(high, f32x4.splat(bound));
  return (gradients, values) => {
    f.set(value, values);
    const stopped = v128.or(f32x4.le(value, v128.const(0, 0, 0, 0)), f32x4.ge(value, high));
    return v128.andnot(gradients, stopped);
  };
}
