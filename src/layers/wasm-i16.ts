/** What emitted kernels of whole numbers share: the way from sums to numbers of the output, and how those are stored. */
import {
  type Expr,
  type FunctionBuilder,
  f32x4,
  i8x16,
  i16x8,
  i32,
  i32x4,
  type Local,
  typed,
} from '../tensor/wasm/assembler.js';
import type { IntegerWeights } from './kernel-i16.js';
import { MAGIC } from './requantize.js';

/** Output channels of a panel of weights: two vectors of sums. */
export const PANEL = 8;
/** Input channels that one instruction multiplies and adds. */
const PAIR = 2;

/**
 * [K,T] → panels [T/2][8][2] of 8 output channels. What is missing is zero: the channels after K, and the second of the last pair
 * where T is odd, so that whatever a kernel multiplies by it makes no difference.
 */
export function packPairs(weights: IntegerWeights, K: number, T: number): IntegerWeights {
  const length = Math.ceil(K / PANEL) * Math.ceil(T / PAIR) * PAIR * PANEL;
  const packed = weights instanceof Int8Array ? new Int8Array(length) : new Int16Array(length);
  const step = PANEL * PAIR;
  for (let k = 0, from = 0; k < K; k++) {
    let to = Math.floor(k / PANEL) * Math.ceil(T / PAIR) * step + (k % PANEL) * PAIR;
    for (let t = 0; t < T - 1; t += PAIR, from += PAIR, to += step) {
      packed[to] = weights[from];
      packed[to + 1] = weights[from + 1];
    }
    if (T % PAIR === 1) packed[to] = weights[from++];
  }
  return packed;
}

/** The bounds of y as parameters of a function. */
export const BOUNDS = { ...typed('f32', 'lo'), ...typed('i32', 'hi') };

/** `MAGIC` as the bits of a float32. A float32 near it has one bit for each whole number. */
export const MAGIC_BITS = new Int32Array(Float32Array.of(MAGIC).buffer)[0];

/** What rounding needs, in locals: as constants they would be made anew for every store. */
export interface Rounding {
  low: Local<'v128'>;
  high: Local<'v128'>;
  magic: Local<'v128'>;
  magicBits: Local<'v128'>;
}

export function enterRounding(f: FunctionBuilder, { lo, hi }: { lo: Local<'f32'>; hi: Local<'i32'> }): Rounding {
  const [low, high, magic, magicBits] = f.locals('v128', 4);
  f.set(low, f32x4.splat(lo));
  f.set(high, i16x8.splat(hi));
  f.set(magic, f32x4.splat(MAGIC));
  f.set(magicBits, i32x4.splat(MAGIC_BITS));
  return { low, high, magic, magicBits };
}

/**
 * Eight float32 as whole numbers, rounded to nearest, ties to even, within the bounds: requantize.ts in SIMD. A number below
 * `lo` becomes `lo` before it is rounded, for far below −2²² the trick with the magic number fails. Above 2²² what it gives
 * is wrong but far above i16, so that narrowing takes it to 32767, and `hi` may come last, eight lanes at once. NaN becomes
 * `lo`.
 */
export function roundWords(a: Expr<'v128'>, b: Expr<'v128'>, rounding: Rounding): Expr<'v128'> {
  return i16x8.min_s(i16x8.narrow_i32x4_s(round(a, rounding), round(b, rounding)), rounding.high);
}

/** Four of them as they are before narrowing: numbers of 32 bits that `hi` does not bound yet. */
export function round(v: Expr<'v128'>, { low, magic, magicBits }: Rounding): Expr<'v128'> {
  return i32x4.sub(f32x4.add(f32x4.pmax(low, v), magic), magicBits);
}

/** Eight sums of a convolution as numbers of its output, by the multipliers of their channels. The product is rounded by itself. */
export function requantizeWords(
  sums: readonly Expr<'v128'>[],
  multipliers: readonly Expr<'v128'>[],
  rounding: Rounding,
): Expr<'v128'> {
  const [a, b] = [0, 1].map((v) => f32x4.mul(f32x4.convert_i32x4_s(sums[v]), multipliers[v]));
  return roundWords(a, b, rounding);
}

/** Stores eight words, but no more than `left` of them. */
export function storeWords(f: FunctionBuilder, address: Local<'i32'>, words: Local<'v128'>, left: Local<'i32'>): void {
  f.if(
    i32.ge_s(left, 8),
    () => f.store('v128.store', address, words),
    () => {
      for (let lane = 0; lane < 7; lane++) {
        f.if(i32.gt_s(left, lane), () => f.storeLane('v128.store16_lane', lane, address, words, 2 * lane));
      }
    },
  );
}

/** The lower four words of two vectors in turn, and the upper four: pairs for `i32x4.dot_i16x8_s`. */
export const interleaveLow = (a: Expr<'v128'>, b: Expr<'v128'>): Expr<'v128'> => i8x16.shuffle(inTurn(0), a, b);
export const interleaveHigh = (a: Expr<'v128'>, b: Expr<'v128'>): Expr<'v128'> => i8x16.shuffle(inTurn(8), a, b);

const inTurn = (first: number): number[] =>
  [0, 1, 2, 3].flatMap((word) => [0, 1, 16, 17].map((byte) => first + 2 * word + byte));
