/** The engine of a device, and getting ready for it. */
import { env } from '../../base/env.js';
import { expected, MobileNetError } from '../../base/errors.js';
import type { EngineName } from '../../layers/spec.js';
import { loadWholeNumbers } from '../../layers/whole-numbers.js';
import type { Engine, KernelSet } from './engine.js';
import { PlainEngine } from './plain.js';
import { canShareMemory, checkModule, compileAhead } from './wasm/code.js';
import { WasmEngine } from './wasm/engine.js';

/** Where a model runs: `auto` is the fastest engine here. */
export type Device = 'auto' | EngineName;

export const DEVICES: readonly Device[] = ['auto', 'wasm', 'js', 'reference'];

export interface EngineOptions {
  /** `auto`: as many as run at once here, at most 8. */
  threads?: number | 'auto' | undefined;
  /** The emitted kernels, compiled: for places that forbid compiling. */
  wasmModule?: WebAssembly.Module | undefined;
}

/** The most threads that may be asked for. */
export const MAX_THREADS = 64;
/** The most that `auto` takes: steps of a 224×224 picture are too short to be shared among more. */
const MAX_AUTO_THREADS = 8;

/**
 * `auto` is wasm, and js where WebAssembly, its SIMD or compiling is refused.
 * @param elements whether the network computes with real numbers or with whole ones
 * @param more kernels besides, which are then compiled with the others: a module that was handed in has none of them
 */
export function makeEngine(
  device: Device,
  options: EngineOptions = {},
  elements: 'f32' | 'i16' = 'f32',
  more?: KernelSet,
): Engine {
  const threads = threadCount(options.threads);
  checkModule(options.wasmModule, elements);
  if (device === 'js' || device === 'reference') return new PlainEngine(device, more);
  try {
    return new WasmEngine(threads, elements, options.wasmModule, more);
  } catch (cause) {
    if (device === 'auto') return new PlainEngine('js', more);
    throw new MobileNetError(
      'UNSUPPORTED',
      `device wasm: ${(cause as Error).message}; use device auto, which falls back to js, or hand in a compiled module`,
      { cause },
    );
  }
}

function threadCount(threads: number | 'auto' = 'auto'): number {
  if (threads === 'auto') return Math.min(env.platform.parallelism?.() ?? 1, MAX_AUTO_THREADS);
  if (Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS) return threads;
  throw expected('threads', `'auto' or a whole number from 1 to ${MAX_THREADS}`, threads);
}

/**
 * Compiles the kernels that `makeEngine` will ask for while the caller reads weights; those of whole numbers are loaded first.
 * @throws MobileNetError IO where they cannot be; what keeps kernels from compiling, makeEngine throws
 */
export async function prepareEngine(
  device: Device,
  { threads, wasmModule }: EngineOptions,
  elements: 'f32' | 'i16' = 'f32',
): Promise<void> {
  if (elements === 'i16') await loadWholeNumbers();
  if (device === 'js' || device === 'reference' || wasmModule !== undefined) return;
  try {
    await compileAhead(elements, threadCount(threads) > 1 && canShareMemory());
  } catch {
    // makeEngine throws the same again, where the caller sees it.
  }
}
