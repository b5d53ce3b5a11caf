/**
 * A row of the input of a depthwise convolution with stride 2, seen from its outputs: columns lie in turn under the first and last taps
 * of two neighbors, and under the middle tap of one. So they go in pairs; with padding the first column is the second of a pair.
 */
import { type FunctionBuilder, i32, type Local } from '../../tensor/wasm/assembler.js';

/** What is the same for all rows. */
export interface Columns {
  /** Pairs of columns of which the first lies under two columns of outputs, the second under the latter of them. */
  whole: Local<'i32'>;
  /** Columns after those, and whether there is another column of outputs for the first of them. */
  rest: Local<'i32'>;
  hasNext: Local<'i32'>;
}

export function countColumns(
  f: FunctionBuilder,
  { W, OW, padLeft }: Record<'W' | 'OW' | 'padLeft', Local<'i32'>>,
): Columns {
  const [whole, rest, hasNext] = f.locals('i32', 3);
  f.set(whole, i32.shr_s(i32.sub(W, padLeft), 1));
  f.set(rest, i32.sub(OW, padLeft));
  f.if(i32.gt_s(whole, rest), () => f.set(whole, rest));
  f.set(rest, i32.sub(i32.sub(W, padLeft), i32.shl(whole, 1)));
  f.set(hasNext, i32.lt_s(i32.add(padLeft, whole), OW));
  return { whole, rest, hasNext };
}
