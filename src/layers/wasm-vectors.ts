/** Channels in vectors of four, where the last of them may be only partly wanted. */
import { type Expr, type FunctionBuilder, f32x4, i32, type Local } from '../tensor/wasm/assembler.js';

/**
 * The byte within a pixel at which the vector of `channel` begins: the last `lanes` of C reach back to be whole.
 * @param shift bytes of a channel's number, as a power of two
 */
export function vectorAt(
  f: FunctionBuilder,
  at: Local<'i32'>,
  channel: Local<'i32'>,
  C: Local<'i32'>,
  shift = 2,
  lanes = 4,
): void {
  f.set(at, i32.sub(C, lanes));
  f.if(i32.lt_s(channel, at), () => f.set(at, channel));
  f.set(at, i32.shl(at, shift));
}

/** Stores `values` one after another at `address`, but no more than `left` floats. */
export function storeLanes(
  f: FunctionBuilder,
  address: Local<'i32'>,
  values: readonly Expr<'v128'>[],
  left: Local<'i32'>,
): void {
  const whole = () => {
    for (const [v, value] of values.entries()) f.store('v128.store', address, value, 16 * v);
  };
  const partly = () => {
    for (const [v, value] of values.entries()) {
      f.if(
        i32.ge_s(left, 4 * v + 4),
        () => f.store('v128.store', address, value, 16 * v),
        () => {
          for (let lane = 0; lane < 3; lane++) {
            f.if(i32.gt_s(left, 4 * v + lane), () => {
              f.storeLane('v128.store32_lane', lane, address, value, 16 * v + 4 * lane);
            });
          }
        },
      );
    }
  };
  f.if(i32.ge_s(left, 4 * values.length), whole, partly);
}

/**
 * An activation's clamp that lets NaN through. `min` and `max` would, too, but take seven instructions each on x86-64;
 * `pmin` and `pmax` take one, and give their first operand where there is a NaN: so the value must come first.
 */
export function clamp(value: Expr<'v128'>, low: Expr<'v128'>, high: Expr<'v128'>): Expr<'v128'> {
  return f32x4.pmin(f32x4.pmax(value, low), high);
}
