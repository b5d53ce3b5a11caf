/**
 * The instructions that the kernels use: bytes and types. The names are those of the text format.
 * Source: WebAssembly Core Specification 2.0, section 5.4 and appendix "Index of Instructions"; the threads and the
 * relaxed SIMD proposals. An instruction that is missing is one line more here.
 */

export type ValueType = 'i32' | 'f32' | 'f64' | 'v128';

export const VALUE_TYPES: Record<ValueType, number> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

interface Instruction {
  readonly code: readonly number[];
  readonly operands: readonly ValueType[];
  readonly result: ValueType;
}

/** A prefix byte, then the instruction's number as LEB128. */
const simd = (number: number): number[] =>
  number < 128 ? [0xfd, number] : [0xfd, (number & 0x7f) | 0x80, number >> 7];

const op = <R extends ValueType, const O extends readonly ValueType[]>(
  code: readonly number[],
  operands: O,
  result: R,
) => ({
  code,
  operands,
  result,
});

/** Computations: operands from the stack, one result, no immediates. */
export const OPERATIONS = {
  'i32.eqz': op([0x45], ['i32'], 'i32'),
  'i32.eq': op([0x46], ['i32', 'i32'], 'i32'),
  'i32.ne': op([0x47], ['i32', 'i32'], 'i32'),
  'i32.lt_s': op([0x48], ['i32', 'i32'], 'i32'),
  'i32.lt_u': op([0x49], ['i32', 'i32'], 'i32'),
  'i32.gt_s': op([0x4a], ['i32', 'i32'], 'i32'),
  'i32.gt_u': op([0x4b], ['i32', 'i32'], 'i32'),
  'i32.le_s': op([0x4c], ['i32', 'i32'], 'i32'),
  'i32.le_u': op([0x4d], ['i32', 'i32'], 'i32'),
  'i32.ge_s': op([0x4e], ['i32', 'i32'], 'i32'),
  'i32.ge_u': op([0x4f], ['i32', 'i32'], 'i32'),
  'i32.add': op([0x6a], ['i32', 'i32'], 'i32'),
  'i32.sub': op([0x6b], ['i32', 'i32'], 'i32'),
  'i32.mul': op([0x6c], ['i32', 'i32'], 'i32'),
  'i32.div_s': op([0x6d], ['i32', 'i32'], 'i32'),
  'i32.div_u': op([0x6e], ['i32', 'i32'], 'i32'),
  'i32.rem_u': op([0x70], ['i32', 'i32'], 'i32'),
  'i32.and': op([0x71], ['i32', 'i32'], 'i32'),
  'i32.or': op([0x72], ['i32', 'i32'], 'i32'),
  'i32.shl': op([0x74], ['i32', 'i32'], 'i32'),
  'i32.shr_s': op([0x75], ['i32', 'i32'], 'i32'),
  'i32.shr_u': op([0x76], ['i32', 'i32'], 'i32'),

  'f32.gt': op([0x5e], ['f32', 'f32'], 'i32'),
  'f32.add': op([0x92], ['f32', 'f32'], 'f32'),
  'f32.sub': op([0x93], ['f32', 'f32'], 'f32'),
  'f32.mul': op([0x94], ['f32', 'f32'], 'f32'),
  'f32.div': op([0x95], ['f32', 'f32'], 'f32'),
  'f32.min': op([0x96], ['f32', 'f32'], 'f32'),
  'f32.max': op([0x97], ['f32', 'f32'], 'f32'),
  'f32.convert_i32_s': op([0xb2], ['i32'], 'f32'),
  'f32.demote_f64': op([0xb6], ['f64'], 'f32'),
  'i32.trunc_f64_s': op([0xaa], ['f64'], 'i32'),

  'f64.add': op([0xa0], ['f64', 'f64'], 'f64'),
  'f64.sub': op([0xa1], ['f64', 'f64'], 'f64'),
  'f64.mul': op([0xa2], ['f64', 'f64'], 'f64'),
  'f64.max': op([0xa5], ['f64', 'f64'], 'f64'),
  'f64.convert_i32_s': op([0xb7], ['i32'], 'f64'),
  'f64.promote_f32': op([0xbb], ['f32'], 'f64'),

  'f32x4.splat': op(simd(0x13), ['f32'], 'v128'),
  'f32x4.add': op(simd(0xe4), ['v128', 'v128'], 'v128'),
  'f32x4.sub': op(simd(0xe5), ['v128', 'v128'], 'v128'),
  'f32x4.mul': op(simd(0xe6), ['v128', 'v128'], 'v128'),
  'f32x4.div': op(simd(0xe7), ['v128', 'v128'], 'v128'),
  'f32x4.min': op(simd(0xe8), ['v128', 'v128'], 'v128'),
  'f32x4.max': op(simd(0xe9), ['v128', 'v128'], 'v128'),
  // pmin(a, b) is b < a ? b : a, and pmax(a, b) is a < b ? b : a: with NaN both give a.
  'f32x4.pmin': op(simd(0xea), ['v128', 'v128'], 'v128'),
  'f32x4.pmax': op(simd(0xeb), ['v128', 'v128'], 'v128'),
  // Lanes 0 and 1 from two float64, zeros above.
  'f32x4.demote_f64x2_zero': op(simd(0x5e), ['v128'], 'v128'),
  'f32x4.relaxed_madd': op(simd(0x105), ['v128', 'v128', 'v128'], 'v128'),

  // Of four floats the first two.
  'f64x2.promote_low_f32x4': op(simd(0x5f), ['v128'], 'v128'),
  'f64x2.splat': op(simd(0x14), ['f64'], 'v128'),
  'f64x2.add': op(simd(0xf0), ['v128', 'v128'], 'v128'),
  'f64x2.mul': op(simd(0xf2), ['v128', 'v128'], 'v128'),
  'f64x2.div': op(simd(0xf3), ['v128', 'v128'], 'v128'),
} as const satisfies Record<string, Instruction>;

export type Operation = keyof typeof OPERATIONS;

/** Loads: an address from the stack, alignment (as a power of two) and offset as immediates. */
export const LOADS = {
  'i32.load': { code: [0x28], align: 2, result: 'i32' },
  'f32.load': { code: [0x2a], align: 2, result: 'f32' },
  'v128.load': { code: simd(0x00), align: 4, result: 'v128' },
  'v128.load32_splat': { code: simd(0x09), align: 2, result: 'v128' },
  'v128.load32_zero': { code: simd(0x5c), align: 2, result: 'v128' },
  'v128.load64_zero': { code: simd(0x5d), align: 3, result: 'v128' },
  'i32.atomic.load': { code: [0xfe, 0x10], align: 2, result: 'i32' },
} as const satisfies Record<string, { code: readonly number[]; align: number; result: ValueType }>;

/** Stores: an address and a value from the stack, the same immediates. */
export const STORES = {
  'i32.store': { code: [0x36], align: 2, value: 'i32' },
  'f32.store': { code: [0x38], align: 2, value: 'f32' },
  'v128.store': { code: simd(0x0b), align: 4, value: 'v128' },
  'i32.atomic.store': { code: [0xfe, 0x17], align: 2, value: 'i32' },
} as const satisfies Record<string, { code: readonly number[]; align: number; value: ValueType }>;

/** Stores of one lane: an address and a vector from the stack; the lane follows the other immediates. */
export const LANE_STORES = {
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
  localGet: 0x20,
  localSet: 0x21,
  i32Const: 0x41,
  f32Const: 0x43,
  f64Const: 0x44,
  emptyBlock: 0x40,
  v128Const: simd(0x0c),
  i8x16Shuffle: simd(0x0d),
  f32x4ExtractLane: simd(0x1f),
  i64Const: 0x42,
  atomicNotify: [0xfe, 0x00],
  atomicWait32: [0xfe, 0x01],
  atomicAdd32: [0xfe, 0x1e],
} as const;
