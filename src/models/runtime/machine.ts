/**
 * What plans run on: an engine, its heap, and for the wasm engine the emitted functions. A network has one machine, so
 * that its plans share packed weights.
 */
import { MobileNetError } from '../../base/errors.js';
import type { Call, Engine } from '../../layers/spec.js';
import { emitKernels } from '../../layers/wasm-module.js';
import { type Heap, PlainHeap, type Region, WasmHeap } from '../../tensor/memory.js';
import type { Device } from './choose.js';

/** A piece of work. It is done when this returns, or when the promise it returns is fulfilled. */
export type Work = () => void | Promise<void>;

export interface Machine {
  readonly engine: Engine;
  readonly heap: Heap;
}

export interface MachineOptions {
  /** The emitted kernels, compiled: for places that forbid compiling. */
  module?: WebAssembly.Module | undefined;
}

/** The machine of a device. `auto` is wasm, and js where WebAssembly, its SIMD or compiling is refused. */
export function makeMachine(device: Device, options: MachineOptions): Machine {
  if (device === 'js' || device === 'reference') return { engine: device, heap: new PlainHeap() };
  try {
    return new WasmMachine(options);
  } catch (cause) {
    if (device === 'auto') return { engine: 'js', heap: new PlainHeap() };
    throw new MobileNetError(
      'UNSUPPORTED',
      `device wasm: ${(cause as Error).message}; use device auto, which falls back to js, or hand in a compiled module`,
      { cause },
    );
  }
}

type Functions = Record<string, (...args: number[]) => void>;

export class WasmMachine implements Machine {
  readonly engine = 'wasm';
  readonly heap: WasmHeap;
  readonly #functions: Functions;
  #zeros: Region;

  constructor({ module = compiledKernels(false) }: MachineOptions) {
    this.heap = new WasmHeap(new WebAssembly.Memory({ initial: 1 }));
    const instance = new WebAssembly.Instance(module, { env: { memory: this.heap.memory } });
    this.#functions = instance.exports as Functions;
    this.#zeros = this.heap.allocate(0, 'nothing');
  }

  /** Zeros, at least so many: what kernels read in place of what lies outside a picture. */
  zeros(elements: number): Region {
    if (this.#zeros.length < elements) {
      this.#zeros = this.heap.allocate(elements, 'a row of zeros'); // earlier plans keep the shorter one
      this.#zeros.view.fill(0);
    }
    return this.#zeros;
  }

  bind({ name, args, split }: Call): Work {
    const run = this.#functions[name];
    const whole = [...args];
    whole[split.at] = 0;
    whole[split.at + 1] = split.total;
    return () => run(...whole);
  }
}

const compiled = new Map<boolean, WebAssembly.Module>();

/** Emitted and compiled when first needed, once. Throws what WebAssembly throws where that is refused. */
function compiledKernels(shared: boolean): WebAssembly.Module {
  let module = compiled.get(shared);
  if (module === undefined) {
    module = new WebAssembly.Module(emitKernels({ shared }));
    compiled.set(shared, module);
  }
  return module;
}
