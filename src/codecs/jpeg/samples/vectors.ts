/** The words that the kernels of samples are written in. */
import {
  type Expr,
  type FunctionBuilder,
  i8x16,
  i16x8,
  i32x4,
  type Local,
  v128,
} from '../../../tensor/wasm/assembler.js';

export type Vector = Expr<'v128'>;
export type Half = 'low' | 'high';

/** Bytes of a vector. */
export const BYTES = 16;

/** Computed once, for use more than once. */
export function keep(f: FunctionBuilder, value: Vector): Local<'v128'> {
  const local = f.local('v128');
  f.set(local, value);
  return local;
}

/** Lanes of so many bytes, of a and b in turn: from their lower halves or their upper. */
export function interleave(bytes: 1 | 2 | 4 | 8, half: Half, a: Vector, b: Vector): Vector {
  const pick: number[] = [];
  for (let at = half === 'low' ? 0 : 8; pick.length < BYTES; at += bytes) {
    for (const from of [at, at + BYTES]) for (let byte = 0; byte < bytes; byte++) pick.push(from + byte);
  }
  return i8x16.shuffle(pick, a, b);
}

/** a·x + b·y in i32, where `pairs` holds x and y in turn. */
export const dot = (pairs: Vector, a: number, b: number): Vector => i32x4.dot_i16x8_s(pairs, i16x8.const(a, b));

/** The bits of all. */
export const union = (vectors: readonly Vector[]): Vector => vectors.reduce((a, b) => v128.or(a, b));

/** −128…127 to samples, 0…255. */
export const centre = (x: Vector): Vector => v128.xor(x, i8x16.const(-128));
