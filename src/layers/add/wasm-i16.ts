/** y = x + other of whole numbers in SIMD, and the change of scale, which is an addition of nothing. */
import {
  type Expr,
  i16x8,
  i32,
  i32x4,
  type Local,
  type ModuleBuilder,
  type Operand,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import { callOf } from '../kernel.js';
import type { I16WasmKernel } from '../kernel-i16.js';
import type { AddI16Spec, RequantizeI16Spec } from '../spec.js';
import { interleaveHigh, interleaveLow } from '../wasm-i16.js';

/** Elements of a vector. */
const LANES = 8;
const BYTES = Int16Array.BYTES_PER_ELEMENT;

/**
 * A multiplier of up to 30 bits is `high · 2^15 + low`, each of which fits 16 bits: so one instruction multiplies x and other
 * and adds the products. (`i32x4.mul` takes two turns on Intel's.)
 */
const LOW_BITS = 15;

const PARAMS = {
  ...typed('i32', 'x', 'other', 'y'),
  ...typed('i32', 'low', 'high'), // parts of both multipliers, of x below, of other above
  ...typed('i32', 'shift', 'least', 'most'),
  ...typed('i32', 'from', 'to'), // elements
};

const SPLIT = { splitBy: 'from', grain: LANES } as const;

/** Two numbers of 16 bits in one of 32. */
const pair = (lower: number, upper: number): number => (lower & 0xffff) | (upper << 16);

/** The parts of the multipliers of x and other. */
function parts(x: number, other: number) {
  const mask = (1 << LOW_BITS) - 1;
  return { low: pair(x & mask, other & mask), high: pair(x >> LOW_BITS, other >> LOW_BITS) };
}

export const addI16Wasm: I16WasmKernel<AddI16Spec> = {
  op: 'add',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ size, xMultiplier, otherMultiplier, shift, lo: least, hi: most }, { x, other, y }) {
    const multipliers = parts(xMultiplier, otherMultiplier);
    return [callOf('add_i16', PARAMS, { x, other, y, ...multipliers, shift, least, most, from: 0, to: size }, SPLIT)];
  },

  emit(module: ModuleBuilder) {
    module.func('add_i16', PARAMS, (f, p) => {
      const [at, whole, end] = f.locals('i32', 3); // bytes from the beginning
      const [a, b, low, high, half, least, most] = f.locals('v128', 7);
      f.set(low, i32x4.splat(p.low));
      f.set(high, i32x4.splat(p.high));
      f.set(half, i32x4.splat(i32.shl(1, i32.sub(p.shift, 1))));
      f.set(least, i16x8.splat(p.least));
      f.set(most, i16x8.splat(p.most));

      const shifted = (pairs: Local<'v128'>): Expr<'v128'> => {
        const upper = i32x4.shl(i32x4.dot_i16x8_s(pairs, high), LOW_BITS);
        return i32x4.shr_s(i32x4.add(i32x4.add(upper, i32x4.dot_i16x8_s(pairs, low)), half), p.shift);
      };
      const [lower, upper] = f.locals('v128', 2);
      /** Eight sums of what is in a and b, into a. */
      const add = (): void => {
        f.set(lower, interleaveLow(a, b));
        f.set(upper, interleaveHigh(a, b));
        f.set(a, i16x8.narrow_i32x4_s(shifted(lower), shifted(upper)));
        f.set(a, i16x8.min_s(i16x8.max_s(a, least), most));
      };
      const address = (buffer: Local<'i32'>): Operand<'i32'> => i32.add(buffer, at);

      f.set(at, i32.shl(p.from, 1));
      f.set(end, i32.shl(p.to, 1));
      f.set(whole, i32.sub(end, BYTES * (LANES - 1)));
      f.while(
        () => i32.lt_s(at, whole),
        () => {
          f.set(a, v128.load(address(p.x)));
          f.set(b, v128.load(address(p.other)));
          add();
          f.store('v128.store', address(p.y), a);
          f.increase(at, BYTES * LANES);
        },
      );
      f.while(
        () => i32.lt_s(at, end),
        () => {
          f.set(a, i16x8.splat(i32.load16S(address(p.x))));
          f.set(b, i16x8.splat(i32.load16S(address(p.other))));
          add();
          f.storeLane('v128.store16_lane', 0, address(p.y), a);
          f.increase(at, BYTES);
        },
      );
    });
  },
};

/** (x · multiplier + x · 0 + 2^7) >> 8. */
export const requantizeI16Wasm: I16WasmKernel<RequantizeI16Spec> = {
  op: 'requantize',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,
  calls: ({ size, multiplier, lo, hi }, at) => {
    const spec = { size, xMultiplier: multiplier, otherMultiplier: 0, shift: 8, lo, hi } as const;
    return addI16Wasm.calls({ op: 'add', dtype: 'i16', ...spec }, { ...at, other: at.x });
  },
  emit: () => {}, // the addition's function does it
};
