/**
 * What plans run on: an engine, its heap, and for the wasm engine the emitted functions and the threads that call them.
 * A network has one machine, so that its plans share packed weights.
 */
import { env } from '../../base/env.js';
import { MobileNetError, show } from '../../base/errors.js';
import type { Call, Engine } from '../../layers/spec.js';
import { type Heap, PlainHeap, type Region, WasmHeap } from '../../tensor/memory.js';
import type { Device } from './choose.js';
import { canShareMemory, checkModule, compileAhead, instantiate } from './code.js';
import { Team } from './threads.js';
import { BLOCK_BYTES } from './worker.js';

/** A piece of work. It is done when this returns, or when the promise it returns is fulfilled. */
export type Work = () => void | Promise<void>;

export interface Machine {
  readonly engine: Engine;
  readonly heap: Heap;
  /** Threads that it computes with, the calling one among them. */
  readonly threads: number;
  /** Starts the other threads, where there are to be some and they do not run. Never needed, never throws. */
  start(): Promise<void>;
  /** Ends them. */
  dispose(): void;
}

export interface MachineOptions {
  /** `auto`: as many as run at once here, at most MOST_THREADS. */
  threads?: number | 'auto' | undefined;
  /** The emitted kernels, compiled: for places that forbid compiling. */
  wasm_module?: WebAssembly.Module | undefined;
}

/** `auto` stops here: steps of a 224×224 picture are too short to be shared among more. */
const MOST_THREADS = 8;

/** The machine of a device. `auto` is wasm, and js where WebAssembly, its SIMD or compiling is refused. */
export function makeMachine(device: Device, options: MachineOptions = {}): Machine {
  const threads = threadCount(options.threads);
  checkModule(options.wasm_module);
  if (device === 'js' || device === 'reference') return plainMachine(device);
  try {
    return new WasmMachine(threads, options.wasm_module);
  } catch (cause) {
    if (device === 'auto') return plainMachine('js');
    throw new MobileNetError(
      'UNSUPPORTED',
      `device wasm: ${(cause as Error).message}; use device auto, which falls back to js, or hand in a compiled module`,
      { cause },
    );
  }
}

function threadCount(threads: number | 'auto' = 'auto'): number {
  if (threads === 'auto') return Math.min(env.platform.parallelism?.() ?? 1, MOST_THREADS);
  if (Number.isInteger(threads) && threads >= 1 && threads <= 64) return threads;
  throw new MobileNetError('ARG', `threads: expected 'auto' or a whole number from 1 to 64, got ${show(threads)}`);
}

/** Compiles the kernels that `makeMachine` will ask for while the caller reads weights. Never throws; makeMachine does. */
export async function prepareMachine(device: Device, { threads, wasm_module }: MachineOptions): Promise<void> {
  if (device === 'js' || device === 'reference' || wasm_module !== undefined) return;
  try {
    await compileAhead(threadCount(threads) > 1 && canShareMemory());
  } catch {
    // Bad options and refusals come up again, where they can be told.
  }
}

function plainMachine(engine: 'js' | 'reference'): Machine {
  return { engine, heap: new PlainHeap(), threads: 1, start: async () => {}, dispose() {} };
}

type EmittedFunction = (...args: number[]) => void;

export class WasmMachine implements Machine {
  readonly engine = 'wasm';
  readonly heap: WasmHeap;
  readonly threads: number;
  /** What kernels read in place of what lies outside a picture. */
  readonly zeros: Region;
  readonly #names: readonly string[];
  readonly #functions: readonly EmittedFunction[];
  readonly #team: Team | null = null;

  constructor(threads: number, module?: WebAssembly.Module) {
    const { memory, instance, code } = instantiate(threads > 1 && canShareMemory(), module);
    this.heap = new WasmHeap(memory);
    this.#names = Object.keys(instance.exports);
    this.#functions = Object.values(instance.exports) as EmittedFunction[];
    this.zeros = this.heap.allocate(16, 'zeros');
    this.zeros.view.fill(0);
    const shared = !(memory.buffer instanceof ArrayBuffer);
    this.threads = shared ? threads : 1;
    if (shared) {
      const block = this.heap.allocate(BLOCK_BYTES / Float32Array.BYTES_PER_ELEMENT, 'threads');
      this.#team = new Team(threads, code, memory, block, this.#functions);
    }
  }

  bind(call: Call): Work {
    const index = this.#names.indexOf(call.name);
    const run = this.#functions[index];
    const team = this.#team;
    return team === null ? () => run(...call.args) : () => team.run(index, call);
  }

  start(): Promise<void> {
    return this.#team?.start() ?? Promise.resolve();
  }

  dispose(): void {
    this.#team?.dispose();
  }
}
