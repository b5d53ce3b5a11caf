/**
 * The signatures of kernels of whole numbers, beside those of real ones (kernel.ts). Their results have no tolerance: all
 * engines compute the same bits.
 */
import type { ModuleBuilder } from '../tensor/wasm/assembler.js';
import type { Call } from './kernel.js';
import type { I16Spec, QuantizeI16Spec, SumsSpec } from './spec.js';

/** Weights of whole numbers, centered. */
export type IntegerWeights = Int8Array | Int16Array;

/** What a step reads and writes, by role. */
export interface I16Roles<T> {
  x: T;
  weights: T;
  /** i32, or i32 [N,K] of one row an image. */
  bias: T;
  /** f32, for each output channel: what makes a sum a number of y. */
  multiplier: T;
  other: T;
  y: T;
}

/** Operands as arrays. Those that an operation does not use are empty. */
export interface I16Operands {
  x: Int16Array;
  weights: IntegerWeights;
  bias: Int32Array;
  multiplier: Float32Array;
  other: Int16Array;
  y: Int16Array;
}

/** The operands of an operation: `quantize` alone reads real numbers, and `sums` alone writes i32. */
export type I16OperandsOf<S extends I16Spec> = S extends QuantizeI16Spec
  ? Omit<I16Operands, 'x'> & { x: Float32Array }
  : S extends SumsSpec
    ? Omit<I16Operands, 'y'> & { y: Int32Array }
    : I16Operands;

/**
 * One implementation of one operation.
 *
 * `run` writes all of `y` and touches nothing else; operands never overlap. It allocates nothing that lives on.
 */
export interface I16Kernel<S extends I16Spec = I16Spec> {
  readonly op: S['op'];
  readonly engine: 'reference' | 'js';
  /** Whether this kernel can do this spec; the first of a list that can is taken. */
  supports(spec: S): boolean;
  /** Weights from the checkpoint's order to the order this kernel reads them in. Not called for an operation without weights. */
  pack(spec: S, weights: IntegerWeights): IntegerWeights;
  run(spec: S, operands: I16OperandsOf<S>): void;
}

/** A kernel whose plain loop serves every engine that has none of its own (kernels.ts). */
export type PlainI16Kernel<S extends I16Spec> = Omit<I16Kernel<S>, 'engine'>;

/** Byte addresses of a step's operands in the memory of the wasm engine; 0 for one that is not used. */
export interface I16Addresses extends I16Roles<number> {
  /** 16 zeros: what lies outside a picture. */
  zeros: number;
}

/** An operation in WebAssembly: results do not depend on how a call is split. Packed weights and bias have 64 bytes of slack. */
export interface I16WasmKernel<S extends I16Spec = I16Spec> {
  readonly op: S['op'];
  readonly engine: 'wasm';
  supports(spec: S): boolean;
  pack(spec: S, weights: IntegerWeights): IntegerWeights;
  emit(module: ModuleBuilder): void;
  calls(spec: S, at: I16Addresses): Call[];
}
