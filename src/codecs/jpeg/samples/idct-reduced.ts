/**
 * Blocks at a half, a quarter and an eighth of their size: 4×4, 2×2 and 1×1 samples of 8×8 coefficients, as libjpeg's
 * jidctred.c computes them, with the roundings of libjpeg-turbo's for x86 (jidctred-sse2.asm).
 */
import {
  type FunctionBuilder,
  i8x16,
  i16x8,
  i32,
  i32x4,
  type Local,
  type ModuleBuilder,
  v128,
} from '../../../tensor/wasm/assembler.js';
import { CONST_BITS, dequantised, eachBlock, fixed, IDCT_PARAMS, type IdctParams, PASS1_BITS } from './idct.js';
import { BYTES, centre, dot, type Half, interleave, keep, union, type Vector } from './vectors.js';

const F0211 = fixed(0.211164243);
const F0509 = fixed(0.509795579);
const F0601 = fixed(0.601344887);
const F0720 = fixed(0.720959822);
const F0765 = fixed(0.765366865);
const F0850 = fixed(0.850430095);
const F0899 = fixed(0.899976223);
const F1061 = fixed(1.061594337);
const F1272 = fixed(1.27275858);
const F1451 = fixed(1.451774981);
const F1847 = fixed(1.847759065);
const F2172 = fixed(2.172734803);
const F2562 = fixed(2.562915447);
const F3624 = fixed(3.624509785);

/** `idct4`, `idct2`, `idct1`: a row of blocks to four, two or one row of samples. */
export function emitReducedIdcts(module: ModuleBuilder): void {
  module.func('idct4', IDCT_PARAMS, (f, params) => eachBlock(f, params, 4, () => fourByFour(f, params)));
  module.func('idct2', IDCT_PARAMS, (f, params) => eachBlock(f, params, 2, () => twoByTwo(f, params)));
  module.func('idct1', IDCT_PARAMS, (f, params) => eachBlock(f, params, 1, () => oneByOne(f, params)));
}

function fourByFour(f: FunctionBuilder, params: IdctParams): void {
  const x = dequantised(f, params, 8);
  /** Rows of eight, from pass 1. */
  const rows = f.locals('v128', 4);
  const below = [1, 2, 3, 5, 6, 7].map((i): Vector => v128.load(params.coefficients, BYTES * i));
  f.if(
    v128.any_true(union(below)),
    () => {
      const low = fourOfEight(f, 'low', x);
      const high = fourOfEight(f, 'high', x);
      for (const [i, row] of rows.entries()) f.set(row, i16x8.narrow_i32x4_s(low[i], high[i]));
    },
    () => {
      for (const row of rows) f.set(row, i16x8.shl(x[0], PASS1_BITS));
    },
  );
  const pairs = (half: Half) => {
    const upper = keep(f, interleave(2, half, rows[0], rows[1]));
    const lower = keep(f, interleave(2, half, rows[2], rows[3]));
    return [keep(f, interleave(4, 'low', upper, lower)), keep(f, interleave(4, 'high', upper, lower))];
  };
  // Two columns of four rows each.
  const [columns01, columns23] = pairs('low');
  const [columns45, columns67] = pairs('high');
  const samples = fourSamples(
    f,
    {
      x0: interleave(2, 'low', i16x8.const(0), columns01),
      x26: interleave(2, 'low', columns23, columns67),
      x13: interleave(2, 'high', columns01, columns23),
      x57: interleave(2, 'high', columns45, columns67),
    },
    CONST_BITS + PASS1_BITS + 4,
  );
  const even = keep(f, i16x8.narrow_i32x4_s(samples[0], samples[2]));
  const odd = keep(f, i16x8.narrow_i32x4_s(samples[1], samples[3]));
  const [left, right] = (['low', 'high'] as const).map((half) => keep(f, interleave(2, half, even, odd)));
  const upper = interleave(4, 'low', left, right);
  const bytes = keep(f, centre(i8x16.narrow_i16x8_s(upper, interleave(4, 'high', left, right))));
  const to = f.local('i32');
  f.set(to, params.out);
  for (let row = 0; row < 4; row++) {
    f.storeLane('v128.store32_lane', row, to, bytes);
    f.increase(to, params.stride);
  }
}

/** The first pass of 4×4, for half of the columns. */
function fourOfEight(f: FunctionBuilder, half: Half, x: readonly Local<'v128'>[]): Vector[] {
  const frequencies = {
    x0: interleave(2, half, i16x8.const(0), x[0]),
    x26: interleave(2, half, x[2], x[6]),
    x13: interleave(2, half, x[1], x[3]),
    x57: interleave(2, half, x[5], x[7]),
  };
  return fourSamples(f, frequencies, CONST_BITS - PASS1_BITS + 1);
}

/** x0 stands in the upper half of a lane, the others in pairs. */
function fourSamples(f: FunctionBuilder, x: Record<'x0' | 'x26' | 'x13' | 'x57', Vector>, shift: number): Vector[] {
  const [x26, x13, x57] = [keep(f, x.x26), keep(f, x.x13), keep(f, x.x57)];
  const wide = keep(f, i32x4.add(i32x4.shr_s(x.x0, 16 - CONST_BITS - 1), i32x4.splat(1 << (shift - 1))));
  const even = keep(f, dot(x26, F1847, -F0765));
  const [tmp10, tmp12] = [keep(f, i32x4.add(wide, even)), keep(f, i32x4.sub(wide, even))];
  const tmp2 = keep(f, i32x4.add(dot(x13, F2562, F0899), dot(x57, -F0601, -F0509)));
  const tmp0 = keep(f, i32x4.add(dot(x13, F1061, -F2172), dot(x57, F1451, -F0211)));
  const sums = [i32x4.add(tmp10, tmp2), i32x4.add(tmp12, tmp0), i32x4.sub(tmp12, tmp0), i32x4.sub(tmp10, tmp2)];
  return sums.map((sum) => keep(f, i32x4.shr_s(sum, shift)));
}

/** The first column goes from the first pass to the second in 32 bits, the others in 16: libjpeg-turbo's own. */
function twoByTwo(f: FunctionBuilder, params: IdctParams): void {
  const x = dequantised(f, params, 8);
  const [low, high] = (['low', 'high'] as const).map((half) => {
    const x0 = i32x4.shr_s(interleave(2, half, i16x8.const(0), x[0]), 16 - CONST_BITS - 2);
    return twoSamples(
      f,
      { x0, x13: interleave(2, half, x[1], x[3]), x57: interleave(2, half, x[5], x[7]) },
      CONST_BITS - PASS1_BITS + 2,
    );
  });
  const [a, b] = [0, 1].map((row) => keep(f, i16x8.narrow_i32x4_s(low[row], high[row])));
  // Lanes 1 and 3, then 5 and 7, of both rows.
  const odd = (lane: number) => {
    const pair = [2 * lane, 2 * lane + 1, 2 * lane + 4, 2 * lane + 5];
    const two = [...pair, ...pair.map((byte) => byte + BYTES)];
    return i8x16.shuffle([...two, ...two], a, b);
  };
  const x0 = i32x4.shl(interleave(4, 'low', low[0], low[1]), CONST_BITS + 2);
  const samples = twoSamples(f, { x0, x13: odd(1), x57: odd(5) }, CONST_BITS + PASS1_BITS + 5);
  const square = keep(f, interleave(4, 'low', samples[0], samples[1]));
  const words = keep(f, i16x8.narrow_i32x4_s(square, square));
  const bytes = keep(f, centre(i8x16.narrow_i16x8_s(words, words)));
  f.storeLane('v128.store16_lane', 0, params.out, bytes);
  f.storeLane('v128.store16_lane', 1, i32.add(params.out, params.stride), bytes);
}

function twoSamples(f: FunctionBuilder, x: Record<'x0' | 'x13' | 'x57', Vector>, shift: number): Vector[] {
  const even = keep(f, i32x4.add(x.x0, i32x4.splat(1 << (shift - 1))));
  const odd = keep(f, i32x4.add(dot(x.x13, F3624, -F1272), dot(x.x57, F0850, -F0720)));
  return [i32x4.add(even, odd), i32x4.sub(even, odd)].map((sum) => keep(f, i32x4.shr_s(sum, shift)));
}

/** The mean of the block. libjpeg looks it up in a table of 1,024 values, which it enters at the lower ten bits. */
function oneByOne(f: FunctionBuilder, { coefficients, quant, out }: IdctParams): void {
  const mean = f.local('i32');
  f.set(mean, i32.mul(i32.load16S(coefficients), i32.load16S(quant)));
  f.set(mean, i32.shr_s(i32.shl(i32.shr_s(i32.add(mean, 4), 3), 22), 22));
  const bytes = keep(f, i16x8.splat(mean));
  f.storeLane('v128.store8_lane', 0, out, centre(i8x16.narrow_i16x8_s(bytes, bytes)));
}
