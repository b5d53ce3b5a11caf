/**
 * The inverse cosine transform of 8×8 blocks in SIMD: libjpeg's accurate one of integers ("islow", jidctint.c; Loeffler,
 * Ligtenberg and Moschytz, 1989), with the roundings of libjpeg-turbo's for x86 (jidctint-avx2.asm), so that hostile
 * coefficients too give what Pillow gives: products and sums of 16 bits wrap, the results of a pass saturate.
 */
import {
  type FunctionBuilder,
  i8x16,
  i16x8,
  i32,
  i32x4,
  type Local,
  type ModuleBuilder,
  type Parameters,
  typed,
  v128,
} from '../../../tensor/wasm/assembler.js';
import { BYTES, centre, dot, type Half, interleave, keep, union, type Vector } from './vectors.js';

/** Bytes of a block of coefficients: i16[64]. */
export const BLOCK = 128;

/** What the transform of a row of blocks takes: addresses, a count, and the bytes from a row of samples to the next. */
export const IDCT_PARAMS = typed('i32', 'coefficients', 'last', 'quant', 'blocks', 'out', 'stride');
export type IdctParams = Parameters<typeof IDCT_PARAMS>;

/** Fraction of the cosines, and of what goes from the first pass to the second, in bits. */
export const CONST_BITS = 13;
export const PASS1_BITS = 2;

/** A cosine as a whole number. */
export const fixed = (x: number): number => Math.round(x * (1 << CONST_BITS));

const F0298 = fixed(0.298631336);
const F0390 = fixed(0.390180644);
const F0541 = fixed(0.5411961);
const F0765 = fixed(0.765366865);
const F0899 = fixed(0.899976223);
const F1175 = fixed(1.175875602);
const F1501 = fixed(1.50132111);
const F1847 = fixed(1.847759065);
const F1961 = fixed(1.96157056);
const F2053 = fixed(2.053119869);
const F2562 = fixed(2.562915447);
const F3072 = fixed(3.072711026);

/** Bits that a pass drops from its results. */
const PASS1_SHIFT = CONST_BITS - PASS1_BITS;
const PASS2_SHIFT = CONST_BITS + PASS1_BITS + 3;

/** Up to this index in zigzag order, all coefficients lie in the first four rows and columns. */
const LAST_OF_CORNER = 9;

/** `idct8`: a row of blocks to eight rows of samples. */
export function emitIdct8(module: ModuleBuilder): void {
  module.func('idct8', IDCT_PARAMS, (f, params) => {
    const index = f.local('i32');
    eachBlock(f, params, 8, () => {
      f.set(index, i32.load8U(params.last));
      f.if(
        i32.gt_s(index, LAST_OF_CORNER),
        () => whole(f, params),
        () =>
          f.if(
            index,
            () => corner(f, params),
            () => flat(f, params),
          ),
      );
    });
  });
}

/** A loop over the blocks of a row; each gives `samples` in a row. */
export function eachBlock(f: FunctionBuilder, params: IdctParams, samples: number, body: () => void): void {
  const { coefficients, last, blocks, out } = params;
  const block = f.local('i32');
  f.for(block, 0, blocks, 1, () => {
    body();
    f.increase(coefficients, BLOCK);
    f.increase(last, 1);
    f.increase(out, samples);
  });
}

/** Nothing but DC: 64 equal samples. */
function flat(f: FunctionBuilder, params: IdctParams): void {
  const product = i32.mul(i32.load16S(params.coefficients), i32.load16S(params.quant));
  const wrapped = i32.shr_s(i32.shl(product, 16 + PASS1_BITS), 16);
  const sample = keep(f, i16x8.splat(i32.shr_s(i32.add(wrapped, 1 << (PASS1_BITS + 2)), PASS1_BITS + 3)));
  const rows = keep(f, centre(i8x16.narrow_i16x8_s(sample, sample)));
  storeRows(f, [rows, rows, rows, rows], params);
}

/** Any block. */
function whole(f: FunctionBuilder, params: IdctParams): void {
  const x = dequantised(f, params, 8);
  f.if(
    anyBelowFirst(params, 8),
    () => pass(f, x, PASS1_SHIFT),
    () => {
      f.set(x[0], i16x8.shl(x[0], PASS1_BITS));
      for (let i = 1; i < 8; i++) f.set(x[i], x[0]);
    },
  );
  transpose(f, x);
  pass(f, x, PASS2_SHIFT);
  storeRows(f, rowsOf(f, x), params);
}

/** A block whose coefficients other than the first 4×4 are 0: half of the first pass and of most sums falls away. */
function corner(f: FunctionBuilder, params: IdctParams): void {
  const x = dequantised(f, params, 4);
  /** Vector i holds rows i and i + 4, of four columns each. */
  const rows = f.locals('v128', 4);
  f.if(
    anyBelowFirst(params, 4),
    () => {
      const y = fromFour(f, 'low', x, PASS1_SHIFT);
      for (let i = 0; i < 4; i++) f.set(rows[i], i16x8.narrow_i32x4_s(y[i], y[i + 4]));
    },
    () => {
      f.set(x[0], i16x8.shl(x[0], PASS1_BITS));
      for (const row of rows) f.set(row, interleave(8, 'low', x[0], x[0]));
    },
  );
  const columns = fourColumns(f, rows);
  const low = fromFour(f, 'low', columns, PASS2_SHIFT);
  const high = fromFour(f, 'high', columns, PASS2_SHIFT);
  const samples = low.map((y, i) => keep(f, i16x8.narrow_i32x4_s(y, high[i])));
  storeRows(f, rowsOf(f, samples), params);
}

/** The first rows of coefficients times their quantisers. */
export function dequantised(f: FunctionBuilder, { coefficients, quant }: IdctParams, rows: number): Local<'v128'>[] {
  return Array.from({ length: rows }, (_, i) =>
    keep(f, i16x8.mul(v128.load(coefficients, BYTES * i), v128.load(quant, BYTES * i))),
  );
}

/** libjpeg passes over the first transform where only the first row has coefficients; that wraps, and does not saturate. */
function anyBelowFirst({ coefficients }: IdctParams, rows: number) {
  return v128.any_true(union(Array.from({ length: rows - 1 }, (_, i) => v128.load(coefficients, BYTES * (i + 1)))));
}

/** One dimension: eight vectors, of a frequency each, to eight of samples. */
function pass(f: FunctionBuilder, x: readonly Local<'v128'>[], shift: number): void {
  const sums = {
    x04: keep(f, i16x8.add(x[0], x[4])),
    x0less4: keep(f, i16x8.sub(x[0], x[4])),
    x73: keep(f, i16x8.add(x[7], x[3])),
    x51: keep(f, i16x8.add(x[5], x[1])),
  };
  const low = fromEight(f, 'low', x, sums, shift);
  const high = fromEight(f, 'high', x, sums, shift);
  for (const [i, y] of low.entries()) f.set(x[i], i16x8.narrow_i32x4_s(y, high[i]));
}

/** Half of the lanes. The names of sums are jidctint.c's; their products are gathered in pairs. */
function fromEight(
  f: FunctionBuilder,
  half: Half,
  x: readonly Vector[],
  sums: Record<'x04' | 'x0less4' | 'x73' | 'x51', Vector>,
  shift: number,
): Vector[] {
  const x26 = keep(f, interleave(2, half, x[2], x[6]));
  const z34 = keep(f, interleave(2, half, sums.x73, sums.x51));
  const z3 = keep(f, dot(z34, F1175 - F1961, F1175));
  const z4 = keep(f, dot(z34, F1175, F1175 - F0390));
  const x71 = keep(f, interleave(2, half, x[7], x[1]));
  const x53 = keep(f, interleave(2, half, x[5], x[3]));
  return butterfly(
    f,
    {
      tmp0: raised(half, sums.x04, shift),
      tmp1: raised(half, sums.x0less4, shift),
      tmp2: dot(x26, F0541, F0541 - F1847),
      tmp3: dot(x26, F0541 + F0765, F0541),
    },
    [
      i32x4.add(dot(x71, -F0899, F1501 - F0899), z4),
      i32x4.add(dot(x53, -F2562, F3072 - F2562), z3),
      i32x4.add(dot(x53, F2053 - F2562, -F2562), z4),
      i32x4.add(dot(x71, F0298 - F0899, -F0899), z3),
    ],
    shift,
  );
}

/** `fromEight` where frequencies 4 to 7 are 0. */
function fromFour(f: FunctionBuilder, half: Half, x: readonly Vector[], shift: number): Vector[] {
  const x22 = keep(f, interleave(2, half, x[2], x[2]));
  const x31 = keep(f, interleave(2, half, x[3], x[1]));
  const x0 = keep(f, raised(half, x[0], shift));
  return butterfly(
    f,
    { tmp0: x0, tmp1: x0, tmp2: dot(x22, F0541, 0), tmp3: dot(x22, F0541 + F0765, 0) },
    [
      dot(x31, F1175, F1175 - F0390 + F1501 - F0899),
      dot(x31, F1175 - F1961 + F3072 - F2562, F1175),
      dot(x31, F1175 - F2562, F1175 - F0390),
      dot(x31, F1175 - F1961, F1175 - F0899),
    ],
    shift,
  );
}

/** x · 2¹³ in i32, and the half that rounds what `shift` drops. */
function raised(half: Half, x: Vector, shift: number): Vector {
  const wide = i32x4.shr_s(interleave(2, half, i16x8.const(0), x), 16 - CONST_BITS);
  return i32x4.add(wide, i32x4.splat(1 << (shift - 1)));
}

/** The even part and the odd to eight results. */
function butterfly(
  f: FunctionBuilder,
  even: Record<'tmp0' | 'tmp1' | 'tmp2' | 'tmp3', Vector>,
  odd: readonly Vector[],
  shift: number,
): Vector[] {
  const [tmp0, tmp1, tmp2, tmp3] = [even.tmp0, even.tmp1, even.tmp2, even.tmp3].map((tmp) => keep(f, tmp));
  const evens = [i32x4.add(tmp0, tmp3), i32x4.add(tmp1, tmp2), i32x4.sub(tmp1, tmp2), i32x4.sub(tmp0, tmp3)];
  const y: Vector[] = [];
  for (let i = 0; i < 4; i++) {
    const [a, b] = [keep(f, evens[i]), keep(f, odd[i])];
    y[i] = keep(f, i32x4.shr_s(i32x4.add(a, b), shift));
    y[7 - i] = keep(f, i32x4.shr_s(i32x4.sub(a, b), shift));
  }
  return y;
}

/** Both halves of two vectors, interleaved. */
function both(f: FunctionBuilder, bytes: 1 | 2 | 4 | 8, a: Vector, b: Vector): Local<'v128'>[] {
  return [keep(f, interleave(bytes, 'low', a, b)), keep(f, interleave(bytes, 'high', a, b))];
}

/** Rows of eight i16 to columns, in place. */
function transpose(f: FunctionBuilder, x: readonly Local<'v128'>[]): void {
  const pairs = [0, 2, 4, 6].map((i) => both(f, 2, x[i], x[i + 1]));
  for (const half of [0, 1]) {
    const upper = both(f, 4, pairs[0][half], pairs[1][half]);
    const lower = both(f, 4, pairs[2][half], pairs[3][half]);
    for (let i = 0; i < 4; i++) {
      f.set(x[4 * half + i], interleave(8, i % 2 === 0 ? 'low' : 'high', upper[i >> 1], lower[i >> 1]));
    }
  }
}

/** Four columns of eight i16 from vectors of which i holds rows i and i + 4. */
function fourColumns(f: FunctionBuilder, rows: readonly Vector[]): Vector[] {
  const [upper01, lower01] = both(f, 2, rows[0], rows[1]);
  const [upper23, lower23] = both(f, 2, rows[2], rows[3]);
  const upper = both(f, 4, upper01, upper23);
  const lower = both(f, 4, lower01, lower23);
  return [0, 1].flatMap((i) => both(f, 8, upper[i], lower[i]));
}

/** Columns of eight i16 to samples: four vectors of two rows each. */
function rowsOf(f: FunctionBuilder, columns: readonly Vector[]): Vector[] {
  const bytes = [0, 1, 2, 3].map((i) => keep(f, i8x16.narrow_i16x8_s(columns[i], columns[i + 4])));
  const [columns01, columns45] = both(f, 1, bytes[0], bytes[1]);
  const [columns23, columns67] = both(f, 1, bytes[2], bytes[3]);
  const left = both(f, 2, columns01, columns23);
  const right = both(f, 2, columns45, columns67);
  return [0, 1].flatMap((i) => both(f, 4, left[i], right[i])).map((rows) => keep(f, centre(rows)));
}

/** Eight rows of eight samples, two a vector. */
function storeRows(f: FunctionBuilder, rows: readonly Vector[], { out, stride }: IdctParams): void {
  const to = f.local('i32');
  f.set(to, out);
  for (const [i, row] of rows.entries()) {
    for (const lane of [0, 1]) {
      if (i + lane > 0) f.increase(to, stride);
      f.storeLane('v128.store64_lane', lane, to, row);
    }
  }
}
