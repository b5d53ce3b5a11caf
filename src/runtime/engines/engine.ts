/**
 * What an engine is to the rest of the runtime: someone who has memory, and who computes. Nobody else knows where numbers lie.
 * A region is a note, "so many elements of that allocation, from that byte on", which only its engine can follow; so memory
 * may be a typed array, a WebAssembly.Memory, or on another device. Results may come later: whoever reads or works can return
 * a promise.
 */
import type { Pass } from '../../graph/passes/passes.js';
import type { TrainingSpec } from '../../layers/backward/spec.js';
import type { Kernel, Operands, Scale, WasmKernel } from '../../layers/kernel.js';
import type { IntegerWeights } from '../../layers/kernel-i16.js';
import { type AnySpec, ELEMENT_BYTES, type ElementType, type EngineName, type Spec } from '../../layers/spec.js';
import type { LaneTeam } from './wasm/lanes.js';

/** What an engine can be asked for: what networks run on, and with further kernels what training does besides. */
export type EngineSpec = AnySpec | TrainingSpec;

/** What an engine gets besides what every network needs: kernels, and threads that compute lanes, too. Who wants them loads them. */
export interface KernelSet {
  readonly plain: readonly Kernel<Spec | TrainingSpec>[];
  readonly wasm: readonly WasmKernel<Spec | TrainingSpec>[];
  readonly LaneTeam: typeof LaneTeam;
}

/** A piece of an engine's memory. */
export interface Region {
  readonly type: ElementType;
  /** Which allocation; the engine's own number. */
  readonly allocation: number;
  /** Bytes from the beginning of the allocation. */
  readonly offset: number;
  /** Elements. */
  readonly length: number;
}

/** Stands for an operand that a kernel does not use. */
export const NOTHING: Region = { type: 'f32', allocation: 0, offset: 0, length: 0 };

/** A piece of a piece; `from` and `length` in elements. */
export const partOf = (region: Region, from: number, length: number): Region => ({
  ...region,
  offset: region.offset + from * ELEMENT_BYTES[region.type],
  length,
});

/** A piece of work. It is done when this returns, or when the promise it returns is fulfilled. */
export type Work = () => void | Promise<void>;

/** A piece of work in a lane, of a kernel that is the engine's own. What is `inTurn` by the same name is done turn by turn, 0, 1, 2, … */
export interface LaneWork {
  readonly work: Work;
  readonly inTurn: string | undefined;
  readonly turn: number;
}

/** Several lanes at once. */
export interface AtOnce {
  readonly work: Work;
  /** Gives back what the work itself takes. */
  readonly free: () => void;
}

/** What a region may hold. */
export type Elements = Float32Array | Int32Array | Int16Array | Int8Array;

/** An array of such elements. */
export const ARRAYS = { f32: Float32Array, i32: Int32Array, i16: Int16Array, i8: Int8Array } as const;

/** The type of an array's elements. */
export function typeOf(values: Elements): ElementType {
  for (const type of ['f32', 'i16', 'i8', 'i32'] as const) if (values instanceof ARRAYS[type]) return type;
  throw new TypeError('no elements of an engine');
}

/** Weights in the checkpoint's order, and what to multiply them by. */
export interface FloatWeights {
  weights: Float32Array;
  scale: Scale;
  bias: Float32Array;
}

/** Weights of whole numbers, and what makes their sums numbers of the output, for each channel. */
export interface I16Weights {
  weights: IntegerWeights;
  bias: Int32Array;
  multiplier: Float32Array;
}

export type StepWeights = FloatWeights | I16Weights;

/** What a step reads and writes; `multiplier` is of whole numbers. */
export type StepRegions = Operands<Region> & { multiplier: Region };

/** Weights, bias and multipliers in the engine's memory, in the order its kernel reads them in. */
export type PackedWeights = Pick<StepRegions, 'weights' | 'bias' | 'multiplier'>;

/** A kernel as an engine has it: the same object for all specs that it serves. */
export interface BoundKernel {
  /** Whose loop it is: an engine may leave some operations to another's. */
  readonly engine: EngineName;
  /** @param what for the message of OUT_OF_MEMORY */
  pack(spec: EngineSpec, weights: StepWeights, what: string): PackedWeights;
  /** Packs other weights into the place of those that `pack` gave for the same spec. */
  repack(spec: EngineSpec, weights: FloatWeights, packed: PackedWeights): void;
  /** What is to be done for a step, one piece after the other. */
  bind(spec: EngineSpec, operands: StepRegions): Work[];
}

export interface Engine {
  readonly name: EngineName;
  /** Threads that it computes with, the calling one among them. */
  readonly threads: number;
  /** What becomes of a graph before it is planned. */
  readonly passes: readonly Pass[];
  /** Bytes of a wide tensor from which on a block is done in bands of rows (compile/bands.ts), by the memory mode. */
  readonly bandsFrom: Readonly<Record<MemoryMode, number>>;
  /** The kernel for a spec. @throws MobileNetError UNSUPPORTED where there is none */
  kernelFor(spec: EngineSpec): BoundKernel;
  /** Memory, not cleared. @param what for the message of OUT_OF_MEMORY */
  allocate(type: ElementType, length: number, what: string): Region;
  /** @param region as `allocate` gave it */
  free(region: Region): void;
  /** Takes a copy. It is there before the next piece of work. */
  write(region: Region, values: Elements): void;
  /** The values, in an array of the region's type. They hold until the next piece of work. */
  read(region: Region): Elements | Promise<Elements>;
  /**
   * Binds lists of work that are done at once, a thread each. Not there where one thread computes. Lanes meet each other's turns in
   * the same order, and the first lane has all first turns.
   */
  readonly atOnce?: ((lanes: readonly (readonly LaneWork[])[]) => AtOnce) | undefined;
  /** Starts what computes beside the calling thread, where it does not run. Never needed, never throws. */
  start(): Promise<void>;
  /** Ends that. */
  dispose(): void;
}

/** `fast` trades memory for time where that pays; `low` never holds a wide tensor. */
export type MemoryMode = 'fast' | 'low';
