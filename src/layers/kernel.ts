/** The signatures that kernels share: of plain loops on typed arrays, and of operations in WebAssembly. */
import type { ModuleBuilder, ParameterTypes } from '../tensor/wasm/assembler.js';
import type { Spec } from './spec.js';

/**
 * What a step reads and writes, by role. Which roles an operation has, its spec's comment says: a convolution has weights and
 * a bias and may have a residual, an addition and a concatenation have the other half.
 */
export interface Operands<T> {
  x: T;
  weights: T;
  bias: T;
  residual: T;
  other: T;
  y: T;
}

/** What stands for an operand that a kernel does not use. */
export const NONE = new Float32Array(0);

/** All operands, of which most stay unused. */
export const operandsOf = (used: Partial<Operands<Float32Array>> & { y: Float32Array }): Operands<Float32Array> => ({
  ...{ x: NONE, weights: NONE, bias: NONE, residual: NONE, other: NONE },
  ...used,
});

/** A factor for the weights of each output channel, or null for none (batch-norm/fold.ts). */
export type Scale = Float64Array | null;

/** Weights [K, …] times their factors, rounded to float32 once; themselves where there are none. */
export function scaled(weights: Float32Array, scale: Scale): Float32Array {
  if (scale === null) return weights;
  const perChannel = weights.length / scale.length;
  const result = new Float32Array(weights.length);
  for (const [k, factor] of scale.entries()) {
    for (let i = k * perChannel; i < (k + 1) * perChannel; i++) result[i] = weights[i] * factor;
  }
  return result;
}

/** What a kernel of real numbers may be for: `Spec`, and what training adds to it (backward/spec.ts). */
interface RealSpec {
  op: string;
  dtype: 'f32';
}

/**
 * One implementation of one operation.
 *
 * `run` writes all of `y` and touches nothing else; operands never overlap unless the spec allows it. It allocates
 * nothing that lives on.
 */
export interface Kernel<S extends RealSpec = Spec> {
  readonly op: S['op'];
  readonly engine: 'reference' | 'js';
  /** Whether this kernel can do this spec; the first of a list that can is taken. */
  supports(spec: S): boolean;
  /**
   * Weights from the checkpoint's order to the order this kernel reads them in, times their factors. Not called where
   * there are none.
   */
  pack(spec: S, weights: Float32Array, scale?: Scale): Float32Array;
  run(spec: S, operands: Operands<Float32Array>): void;
}

/** A kernel whose plain loop is already the fast one: every engine that has none of its own takes it (kernels.ts). */
export type PlainKernel<S extends RealSpec> = Omit<Kernel<S>, 'engine'>;

/** Byte addresses of a step's operands in the memory of the wasm engine; 0 for one that is not used. */
export interface Addresses extends Operands<number> {
  /** 16 zeros: what lies outside a picture. */
  zeros: number;
}

/**
 * One call of an emitted function, and how threads share it: arguments `at` and `at + 1` are the bounds of the part that
 * is computed, here those of the whole, and parts begin at multiples of the grain.
 */
export interface Call {
  name: string;
  args: number[];
  split: { at: number; grain: number };
}

/**
 * A call with its arguments by name.
 * @param params the parameters that the function was emitted with
 * @param splitBy the parameter where a part begins; the one after it is where it ends
 * @param grain what parts begin at multiples of
 */
export function callOf<P extends ParameterTypes>(
  name: string,
  params: P,
  args: Readonly<Record<keyof P, number>>,
  { splitBy, grain }: { splitBy: keyof P & string; grain: number },
): Call {
  const names: (keyof P & string)[] = Object.keys(params);
  return { name, args: names.map((parameter) => args[parameter]), split: { at: names.indexOf(splitBy), grain } };
}

/**
 * An operation in WebAssembly: functions that are emitted once and serve every size, and the calls that make a step.
 * Results do not depend on how a call is split.
 */
export interface WasmKernel<S extends RealSpec = Spec> {
  readonly op: S['op'];
  readonly engine: 'wasm';
  supports(spec: S): boolean;
  /**
   * Weights from the checkpoint's order to the order this kernel reads them in, times their factors. `room` gives a
   * place for so many, not cleared; a kernel with many weights uses it, to spare a copy.
   */
  pack(spec: S, weights: Float32Array, scale?: Scale, room?: (length: number) => Float32Array): Float32Array;
  emit(module: ModuleBuilder): void;
  calls(spec: S, at: Addresses): Call[];
}
