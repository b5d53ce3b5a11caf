/**
 * The instructions that the kernels use: bytes and types. The names are those of the text format.
 * Source: WebAssembly Core Specification 2.0, section 5.4 and appendix "Index of Instructions"; the relaxed
 * SIMD proposal. An instruction that is missing is one line more here.
 */

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

export const VALUE_TYPES: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** A prefix byte, then the instruction's number as LEB128. */
const simd = (number: number): number[] =>
  number < 128 ? [0xfd, number] : [0xfd, (number & 0x7f) | 0x80, number >> 7];

/** Operations with the same operands and result, by name and code. */
function all<const O extends readonly ValueType[], R extends ValueType, N extends string>(
  operands: O,
  result: R,
  codes: Readonly<Record<N, readonly number[] | number>>,
) {
  const operations = Object.entries<readonly number[] | number>(codes).map(([name, code]) => [
    name,
    { code: [code].flat(), operands, result },
  ]);
  return Object.fromEntries(operations) as { [Name in N]: { code: readonly number[]; operands: O; result: R } };
}

/** Computations: operands from the stack, one result, no immediates. */
export const OPERATIONS = {
  ...all(['i32', 'i32'], 'i32', {
    ...{ 'i32.eq': 0x46, 'i32.ne': 0x47, 'i32.lt_s': 0x48, 'i32.lt_u': 0x49, 'i32.gt_s': 0x4a, 'i32.gt_u': 0x4b },
    ...{ 'i32.le_s': 0x4c, 'i32.ge_s': 0x4e, 'i32.ge_u': 0x4f },
    ...{ 'i32.add': 0x6a, 'i32.sub': 0x6b, 'i32.mul': 0x6c, 'i32.div_s': 0x6d, 'i32.div_u': 0x6e, 'i32.rem_u': 0x70 },
    ...{ 'i32.and': 0x71, 'i32.shl': 0x74, 'i32.shr_s': 0x75, 'i32.shr_u': 0x76 },
  }),
  ...all(['i32', 'i32'], 'i32', { 'i32.or': 0x72, 'i32.xor': 0x73, 'i32.rotl': 0x77 }),
  // Zeros below the lowest bit that is set.
  ...all(['i32'], 'i32', { 'i32.ctz': 0x68 }),
  // The first operand where the third is not 0, else the second. (The text format calls it `select`, for every type.)
  ...all(['i32', 'i32', 'i32'], 'i32', { 'i32.select': 0x1b }),
  ...all(['f64'], 'i32', { 'i32.trunc_f64_s': 0xaa }),
  ...all(['i64', 'i64'], 'i64', { 'i64.or': 0x84, 'i64.shl': 0x86, 'i64.shr_s': 0x87, 'i64.shr_u': 0x88 }),
  ...all(['i64'], 'i32', { 'i32.wrap_i64': 0xa7 }),
  ...all(['i32'], 'i64', { 'i64.extend_i32_u': 0xad }),
  ...all(['f32', 'f32'], 'f32', { 'f32.add': 0x92, 'f32.mul': 0x94, 'f32.min': 0x96, 'f32.max': 0x97 }),
  ...all(['f64'], 'f32', { 'f32.demote_f64': 0xb6 }),
  ...all(['f64', 'f64'], 'f64', { 'f64.add': 0xa0, 'f64.sub': 0xa1, 'f64.mul': 0xa2, 'f64.max': 0xa5 }),
  ...all(['i32'], 'f64', { 'f64.convert_i32_s': 0xb7 }),
  ...all(['f32'], 'f64', { 'f64.promote_f32': 0xbb }),

  ...all(['f32'], 'v128', { 'f32x4.splat': simd(0x13) }),
  ...all(['f64'], 'v128', { 'f64x2.splat': simd(0x14) }),
  ...all(['v128', 'v128'], 'v128', {
    ...{ 'f32x4.add': simd(0xe4), 'f32x4.sub': simd(0xe5), 'f32x4.mul': simd(0xe6), 'f32x4.div': simd(0xe7) },
    // All bits of a lane are set where it is so; with NaN it is not.
    ...{ 'f32x4.le': simd(0x45), 'f32x4.ge': simd(0x46) },
    ...{ 'f32x4.min': simd(0xe8), 'f32x4.max': simd(0xe9) },
    // pmin(a, b) is b < a ? b : a, and pmax(a, b) is a < b ? b : a: with NaN both give a.
    ...{ 'f32x4.pmin': simd(0xea), 'f32x4.pmax': simd(0xeb) },
    ...{ 'f64x2.add': simd(0xf0), 'f64x2.mul': simd(0xf2), 'f64x2.div': simd(0xf3) },
  }),
  ...all(['v128'], 'v128', {
    // Lanes 0 and 1 from two float64, zeros above; and of four floats the first two.
    ...{ 'f32x4.demote_f64x2_zero': simd(0x5e), 'f64x2.promote_low_f32x4': simd(0x5f) },
    // Four signed 32-bit numbers as float32, rounded to nearest; the first two as float64.
    ...{ 'f32x4.convert_i32x4_s': simd(0xfa), 'f64x2.convert_low_i32x4_s': simd(0xfe) },
    ...{ 'f32x4.floor': simd(0x68), 'f32x4.sqrt': simd(0xe3) },
  }),
  ...all(['v128', 'v128', 'v128'], 'v128', { 'f32x4.relaxed_madd': simd(0x105) }),

  ...all(['i32'], 'v128', { 'i32x4.splat': simd(0x11) }),
  ...all(['v128', 'i32'], 'v128', { 'i32x4.shl': simd(0xab), 'i32x4.shr_s': simd(0xac) }),
  ...all(['v128', 'v128'], 'v128', {
    // Byte i of the result is the byte of the first operand that byte i of the second names; 0 where it names none.
    'i8x16.swizzle': simd(0x0e),
    'i32x4.add': simd(0xae),
    // a0·b0 + a1·b1, a2·b2 + a3·b3, …, of eight signed 16-bit numbers.
    'i32x4.dot_i16x8_s': simd(0xba),
    // Both operands' lanes in half the bits, those that do not fit at the nearest limit.
    ...{ 'i8x16.narrow_i16x8_s': simd(0x65), 'i8x16.narrow_i16x8_u': simd(0x66), 'i16x8.narrow_i32x4_s': simd(0x85) },
  }),
  ...all(['v128'], 'v128', { 'i16x8.extend_low_i8x16_s': simd(0x87), 'i16x8.extend_high_i8x16_s': simd(0x88) }),
  ...all(['v128'], 'v128', { 'i16x8.extend_low_i8x16_u': simd(0x89), 'i16x8.extend_high_i8x16_u': simd(0x8a) }),
  // Whether any bit is set; the highest bit of each lane.
  ...all(['v128'], 'i32', { 'v128.any_true': simd(0x53), 'i16x8.bitmask': simd(0x84) }),
  ...all(['v128', 'v128'], 'v128', {
    ...{ 'v128.and': simd(0x4e), 'i8x16.add': simd(0x6e), 'i16x8.add': simd(0x8e), 'i16x8.sub': simd(0x91) },
    'i8x16.eq': simd(0x23),
    // The first operand's bits where the second has zeros.
    'v128.andnot': simd(0x4f),
    ...{ 'i16x8.min_s': simd(0x96), 'i16x8.max_s': simd(0x98), 'i16x8.gt_s': simd(0x31) },
    ...{ 'i16x8.mul': simd(0x95), 'i32x4.sub': simd(0xb1), 'v128.or': simd(0x50), 'v128.xor': simd(0x51) },
    // (a·b + 2¹⁴) >> 15
    'i16x8.q15mulr_sat_s': simd(0x82),
  }),
  ...all(['v128', 'i32'], 'v128', { 'i16x8.shl': simd(0x8b), 'i16x8.shr_u': simd(0x8d) }),
  ...all(['i32'], 'v128', { 'i8x16.splat': simd(0x0f), 'i16x8.splat': simd(0x10) }),
  // Bits of the first operand where the third has ones, of the second where it has zeros.
  ...all(['v128', 'v128', 'v128'], 'v128', { 'v128.bitselect': simd(0x52) }),
};

export type Operation = keyof typeof OPERATIONS;

/** Loads: an address from the stack, alignment (as a power of two) and offset as immediates. */
export const LOADS = {
  'i32.load': { code: [0x28], align: 2, result: 'i32' },
  'i32.load8_u': { code: [0x2d], align: 0, result: 'i32' },
  'i32.load16_s': { code: [0x2e], align: 1, result: 'i32' },
  'i64.load': { code: [0x29], align: 3, result: 'i64' },
  'f32.load': { code: [0x2a], align: 2, result: 'f32' },
  'v128.load': { code: simd(0x00), align: 4, result: 'v128' },
  // Eight bytes as eight 16-bit numbers, signed and unsigned.
  'v128.load8x8_s': { code: simd(0x01), align: 3, result: 'v128' },
  'v128.load8x8_u': { code: simd(0x02), align: 3, result: 'v128' },
  // Eight bytes as four signed 16-bit numbers, in 32 bits each.
  'v128.load16x4_s': { code: simd(0x03), align: 3, result: 'v128' },
  'v128.load32_splat': { code: simd(0x09), align: 2, result: 'v128' },
  'v128.load32_zero': { code: simd(0x5c), align: 2, result: 'v128' },
  'v128.load64_zero': { code: simd(0x5d), align: 3, result: 'v128' },
} as const satisfies Record<string, { code: readonly number[]; align: number; result: ValueType }>;

/** Stores: an address and a value from the stack, the same immediates. */
export const STORES = {
  'i32.store': { code: [0x36], align: 2, value: 'i32' },
  'i32.store8': { code: [0x3a], align: 0, value: 'i32' },
  'i32.store16': { code: [0x3b], align: 1, value: 'i32' },
  'i64.store': { code: [0x37], align: 3, value: 'i64' },
  'f32.store': { code: [0x38], align: 2, value: 'f32' },
  'v128.store': { code: simd(0x0b), align: 4, value: 'v128' },
} as const satisfies Record<string, { code: readonly number[]; align: number; value: ValueType }>;

/** Stores of one lane: an address and a vector from the stack; the lane follows the other immediates. */
export const LANE_STORES = {
  'v128.store8_lane': { code: simd(0x58), align: 0, lanes: 16 },
  'v128.store16_lane': { code: simd(0x59), align: 1, lanes: 8 },
  'v128.store32_lane': { code: simd(0x5a), align: 2, lanes: 4 },
  'v128.store64_lane': { code: simd(0x5b), align: 3, lanes: 2 },
} as const;

/** Control and everything with immediates of its own. */
export const CODES = {
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  br_if: 0x0d,
  call: 0x10,
  localGet: 0x20,
  localSet: 0x21,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  emptyBlock: 0x40,
  v128Const: simd(0x0c),
  i8x16Shuffle: simd(0x0d),
} as const;
