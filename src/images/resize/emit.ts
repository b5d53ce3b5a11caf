/**
 * Pillow's two passes as WebAssembly SIMD, exact to the last bit. A sum of bytes times 22-bit weights is taken in 32 bits
 * that wrap around, as Pillow takes it. So a weight may be cut in two, w = high · 2¹⁵ + low, and two sums taken by
 * `i32x4.dot_i16x8_s`, which multiplies eight 16-bit numbers and adds them in pairs.
 *
 * The pass along rows, 2640 rows of 2640 RGB pixels to 224, takes 4.0 ms in Node 20 on a Zen 4; with whole weights and
 * `i32x4.mul` 4.7. Two or four rows at a time, which share the loads of weights, take 3.7 and 3.6: not worth the code. The
 * pass along columns to 224 rows takes 0.23 ms.
 */
import {
  type Expr,
  type FunctionBuilder,
  i8x16,
  i16x8,
  i32,
  i32x4,
  type Local,
  ModuleBuilder,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import { FRACTION_BITS, HALF } from './taps.js';

/** Bits of a weight's lower half, which is not negative. */
export const LOW_BITS = 15;

/** A record of taps in memory is a pixel's place in its row, 4 bytes, and `weightBytes` of weights (`pack` in wasm.ts). */
const ALONG = typed('i32', 'from', 'stride', 'rows', 'taps', 'tapsEnd', 'weightBytes', 'to', 'outStride', 'outBytes');
const DOWN = typed('i32', 'from', 'stride', 'taps', 'tapsEnd', 'to', 'toEnd');

/** The module's bytes. They are few enough (2 KB) that every browser compiles them without a promise. */
export function emitResize(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initial: 1 });
  emitAlongRowsOfOne(module);
  emitAlongRows(module, 3);
  emitAlongRows(module, 4);
  emitDownColumns(module);
  return module.encode();
}

/** Where the loops are: at a pixel of the source, at its weights, and where these end. */
type Place = Record<'x' | 'tap' | 'end', Local<'i32'>>;

/**
 * A pass along rows: pixel after pixel of the result, row after row.
 * @param store of a pixel
 * @param begin emits what comes before all loops, and gives what emits a pixel's sums, and where they are
 */
function emitPass(
  module: ModuleBuilder,
  pixelBytes: number,
  store: 'v128.store8_lane' | 'v128.store32_lane',
  begin: (f: FunctionBuilder, place: Place) => () => Local<'v128'>,
): void {
  module.func(`along_rows_${pixelBytes}`, ALONG, (f, p) => {
    const [row, tap, end, x, y] = f.locals('i32', 5);
    const sums = begin(f, { x, tap, end });
    f.for(row, 0, p.rows, 1, () => {
      f.set(y, p.to);
      f.set(tap, p.taps);
      f.loop((nextPixel) => {
        f.set(x, i32.add(p.from, i32.load(tap)));
        f.increase(tap, 4);
        f.set(end, i32.add(tap, p.weightBytes));
        const sum = sums();
        f.storeLane(store, 0, y, toBytes(sum, sum, sum, sum));
        f.increase(y, p.outBytes);
        f.branchIf(nextPixel, i32.lt_u(tap, p.tapsEnd));
      });
      f.increase(p.from, p.stride);
      f.increase(p.to, p.outStride);
    });
  });
}

/** Pixels of 3 or 4 bytes: all channels of four pixels a step. */
function emitAlongRows(module: ModuleBuilder, pixelBytes: number): void {
  emitPass(module, pixelBytes, 'v128.store32_lane', (f, { x, tap, end }) => {
    const [low, high, pixels, first, second, firstPair, secondPair] = f.locals('v128', 7);
    f.set(firstPair, pairOfPixels(0, pixelBytes));
    f.set(secondPair, pairOfPixels(2, pixelBytes));
    const add = (sum: Local<'v128'>, at: number) => {
      const ofFirst = i32x4.dot_i16x8_s(first, v128.load32Splat(tap, at));
      const ofSecond = i32x4.dot_i16x8_s(second, v128.load32Splat(tap, at + 4));
      f.set(sum, i32x4.add(sum, i32x4.add(ofFirst, ofSecond)));
    };
    return () => {
      f.set(low, i32x4.splat(HALF));
      f.set(high, v128.const(0, 0, 0, 0));
      f.loop((nextTaps) => {
        f.set(pixels, v128.load(x));
        f.set(first, i8x16.swizzle(pixels, firstPair));
        f.set(second, i8x16.swizzle(pixels, secondPair));
        add(low, 0);
        add(high, 8);
        f.increase(x, 4 * pixelBytes);
        f.increase(tap, 16);
        f.branchIf(nextTaps, i32.lt_u(tap, end));
      });
      f.set(low, withoutFraction(low, high));
      return low;
    };
  });
}

/** Pixels of one byte: eight a step, whose sums are added up in the end. */
function emitAlongRowsOfOne(module: ModuleBuilder): void {
  emitPass(module, 1, 'v128.store8_lane', (f, { x, tap, end }) => {
    const [low, high, pixels] = f.locals('v128', 3);
    return () => {
      f.set(low, v128.const(0, 0, 0, 0));
      f.set(high, v128.const(0, 0, 0, 0));
      f.loop((nextTaps) => {
        f.set(pixels, v128.load8x8u(x));
        f.set(low, i32x4.add(low, i32x4.dot_i16x8_s(pixels, v128.load(tap))));
        f.set(high, i32x4.add(high, i32x4.dot_i16x8_s(pixels, v128.load(tap, 16))));
        f.increase(x, 8);
        f.increase(tap, 32);
        f.branchIf(nextTaps, i32.lt_u(tap, end));
      });
      for (const sum of [low, high]) {
        f.set(sum, i32x4.add(sum, v128.shuffle([2, 3, 0, 1], sum, sum)));
        f.set(sum, i32x4.add(sum, v128.shuffle([1, 0, 3, 2], sum, sum)));
      }
      f.set(low, withoutFraction(i32x4.add(low, i32x4.splat(HALF)), high));
      return low;
    };
  });
}

/** A row of the result, 16 bytes at a time, from two rows a step. */
function emitDownColumns(module: ModuleBuilder): void {
  module.func('down_columns', DOWN, (f, { from, stride, taps, tapsEnd, to, toEnd }) => {
    const [tap, x] = f.locals('i32', 2);
    const lows = f.locals('v128', 4);
    const highs = f.locals('v128', 4);
    const [a, b, pairs, numbers, low, high] = f.locals('v128', 6);
    const add = (i: number, extended: Expr<'v128'>) => {
      f.set(numbers, extended);
      f.set(lows[i], i32x4.add(lows[i], i32x4.dot_i16x8_s(numbers, low)));
      f.set(highs[i], i32x4.add(highs[i], i32x4.dot_i16x8_s(numbers, high)));
    };
    f.loop((nextBytes) => {
      for (const sum of lows) f.set(sum, i32x4.splat(HALF));
      for (const sum of highs) f.set(sum, v128.const(0, 0, 0, 0));
      f.set(x, from);
      f.set(tap, taps);
      f.loop((nextRows) => {
        f.set(a, v128.load(x));
        f.set(b, v128.load(i32.add(x, stride)));
        f.set(low, v128.load32Splat(tap));
        f.set(high, v128.load32Splat(tap, 4));
        for (const half of [0, 1]) {
          f.set(pairs, i8x16.shuffle(alternately(8 * half), a, b));
          add(2 * half, i16x8.extend_low_i8x16_u(pairs));
          add(2 * half + 1, i16x8.extend_high_i8x16_u(pairs));
        }
        f.increase(x, i32.shl(stride, 1));
        f.increase(tap, 8);
        f.branchIf(nextRows, i32.lt_u(tap, tapsEnd));
      });
      const [s0, s1, s2, s3] = lows.map((sum, i) => withoutFraction(sum, highs[i]));
      f.store('v128.store', to, toBytes(s0, s1, s2, s3));
      f.increase(from, 16);
      f.increase(to, 16);
      f.branchIf(nextBytes, i32.lt_u(to, toEnd));
    });
  });
}

/** Of an index for `i8x16.swizzle`: no byte, 0 in the result. */
const NONE = -128;

/** Indices of pixels `first` and `first + 1`, side by side in 16 bits: [r0, r1, g0, g1, b0, b1, a0, a1]. */
function pairOfPixels(first: number, pixelBytes: number): Expr<'v128'> {
  const at = (channel: number) => first * pixelBytes + channel;
  const pair = (channel: number) =>
    channel < pixelBytes ? [at(channel), NONE, at(channel) + pixelBytes, NONE] : [NONE, NONE, NONE, NONE];
  return i8x16.const(...[0, 1, 2, 3].flatMap(pair));
}

/** Lanes of two vectors: eight bytes of each from byte `first` on, in turn. */
const alternately = (first: number): number[] =>
  Array.from({ length: 8 }, (_, i) => [first + i, 16 + first + i]).flat();

/** high · 2¹⁵ + low, in whole numbers. */
const withoutFraction = (low: Expr<'v128'>, high: Expr<'v128'>): Expr<'v128'> =>
  i32x4.shr_s(i32x4.add(low, i32x4.shl(high, LOW_BITS)), FRACTION_BITS);

/** Sixteen sums as bytes, those outside 0 to 255 at the nearest limit. */
const toBytes = (a: Expr<'v128'>, b: Expr<'v128'>, c: Expr<'v128'>, d: Expr<'v128'>): Expr<'v128'> =>
  i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
