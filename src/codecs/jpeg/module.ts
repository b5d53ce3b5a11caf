/** The emitted functions of the decoder: one module on one memory, compiled once. */
import { env } from '../../base/env.js';
import { ModuleBuilder } from '../../tensor/wasm/assembler.js';
import { emitEntropy } from './entropy/passes.js';
import { NATURAL_ORDER, STATE_BYTES, ZIGZAG } from './entropy/state.js';
import type { Exports } from './frame.js';
import { DecoderMemory } from './memory.js';
import { emitSamples } from './samples/emit.js';

/** What is kept for the next picture is at most so large: a picture of a camera in rows, not the planes of a progressive one. */
const MOST_KEPT_BYTES = 32 * 1024 * 1024;

export interface Decoder {
  readonly memory: DecoderMemory;
  readonly exports: Exports;
}

/** The file of the package that holds the same bytes (scripts/kernels.mjs writes it): emitting them takes longer than a small picture. */
export const DECODER_FILE = 'jpeg.wasm';

export function emitDecoder(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initial: 1 });
  emitEntropy(module);
  emitSamples(module);
  return module.encode();
}

let compiling: Promise<WebAssembly.Module | undefined> | undefined;
let idle: Decoder | undefined;

/** Undefined where WebAssembly, or its vectors, may not be used. A policy of a page forbids WebKit an instance, not to compile. */
function compile(): Promise<WebAssembly.Module | undefined> {
  compiling ??= (async () => {
    const module = await WebAssembly.compile((await env.platform.readKernels?.(DECODER_FILE)) ?? emitDecoder());
    idle = instantiate(module);
    return module;
  })().catch(() => undefined);
  return compiling;
}

/**
 * Lends a decoder to `use`, which must not wait for anything.
 * @returns undefined where there is no WebAssembly
 */
export async function withDecoder<T>(use: (decoder: Decoder) => T): Promise<T | undefined> {
  const module = await compile();
  if (module === undefined) return undefined;
  const decoder = idle ?? instantiate(module);
  idle = undefined; // a sink that throws, or memory that ran out, leaves it in no state to be used again
  decoder.memory.clear();
  const result = use(decoder);
  if (decoder.memory.bytes.length <= MOST_KEPT_BYTES) idle = decoder;
  return result;
}

function instantiate(module: WebAssembly.Module): Decoder {
  const memory = new DecoderMemory(STATE_BYTES);
  memory.bytes.set(NATURAL_ORDER, ZIGZAG);
  const { exports } = new WebAssembly.Instance(module, { env: { memory: memory.memory } });
  return { memory, exports: exports as Exports };
}
