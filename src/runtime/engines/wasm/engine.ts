/** The engine `wasm`: emitted functions on one WebAssembly.Memory, called by one thread or by a team of them. */
import { isShared } from '../../../base/brands.js';
import { FUSED } from '../../../graph/passes/passes.js';
import type { Addresses, Call, Kernel, WasmKernel } from '../../../layers/kernel.js';
import type { I16Addresses, I16Kernel, I16WasmKernel } from '../../../layers/kernel-i16.js';
import { findWasmKernel } from '../../../layers/kernels.js';
import { ELEMENT_BYTES, type ElementType, type I16Spec, type Spec } from '../../../layers/spec.js';
import { wholeNumbers } from '../../../layers/whole-numbers.js';
import {
  ARRAYS,
  type AtOnce,
  type BoundKernel,
  type Elements,
  type Engine,
  type EngineSpec,
  type FloatWeights,
  type I16Weights,
  type KernelSet,
  type LaneWork,
  type Region,
  type StepRegions,
  type Work,
} from '../engine.js';
import { bindPlain, findPlain, onceForEach, placeStep, placeWeights, WIDEST_BYTES } from '../plain.js';
import { canShareMemory, instantiate } from './code.js';
import { WasmHeap } from './heap.js';
import type { LaneTeam } from './lanes.js';
import { Team } from './threads.js';
import { BLOCK_BYTES } from './worker.js';

type EmittedFunction = (...args: number[]) => void;

/**
 * One thread does blocks in bands of rows from here on. It is the same work with more calls, at each of which threads meet.
 * It pays where the wide tensor leaves the caches: DeepLab's layer.0 at 513, 25 MB, takes 6.04 ms in bands and 6.78 without;
 * layer.1, 10 MB, is even. At 224 one thread gains a little by it in the first three blocks, 4.8 and twice 1.8 MB
 * (bench/README.md, "Small differences"); two threads lose 6 %.
 */
const WIDE_BYTES_ALONE = 1.5e6;

export class WasmEngine implements Engine {
  readonly name = 'wasm';
  readonly threads: number;
  readonly passes = FUSED;
  readonly bandsFrom;
  readonly #memory: WebAssembly.Memory;
  readonly #heap: WasmHeap;
  /** The address of what kernels read in place of what lies outside a picture. */
  readonly #zeros: number;
  readonly #names: readonly string[];
  readonly #functions: readonly EmittedFunction[];
  readonly #team: Team | null = null;
  readonly #laneTeam: LaneTeam | undefined;
  readonly #more: KernelSet | undefined;
  /** What emitted work calls, where lanes may ask. */
  readonly #calls = new WeakMap<Work, { index: number; call: Call }>();
  readonly #emitted = onceForEach((kernel: WasmKernel) => this.#bindEmitted(kernel));
  readonly #emittedI16 = onceForEach((kernel: I16WasmKernel) => this.#bindEmittedI16(kernel));
  readonly #plain = onceForEach((kernel: Kernel | I16Kernel) =>
    bindPlain(kernel, this, (region) => this.#viewer(region)),
  );

  /** @throws what WebAssembly throws where it is refused */
  constructor(threads: number, elements: 'f32' | 'i16', module?: WebAssembly.Module, more?: KernelSet) {
    const { memory, instance, code } = instantiate(elements, threads > 1 && canShareMemory(), module, more?.wasm);
    this.#more = more;
    this.#memory = memory;
    this.#heap = new WasmHeap(memory);
    this.#names = Object.keys(instance.exports);
    this.#functions = Object.values(instance.exports) as EmittedFunction[];
    this.#zeros = this.#heap.allocate(64, 'zeros');
    new Uint8Array(memory.buffer, this.#zeros, 64).fill(0);
    const shared = isShared(memory.buffer);
    this.threads = shared ? threads : 1;
    this.bandsFrom = { fast: this.threads === 1 ? WIDE_BYTES_ALONE : WIDEST_BYTES, low: 0 };
    if (shared) {
      const block = this.#heap.allocate(BLOCK_BYTES, 'threads');
      const parts = [threads, code, memory, block, this.#functions] as const;
      this.#laneTeam = more && new more.LaneTeam(...parts);
      this.#team = this.#laneTeam ?? new Team(...parts);
    }
  }

  kernelFor(spec: EngineSpec): BoundKernel {
    if (spec.dtype !== 'f32') {
      const emitted = wholeNumbers().findI16WasmKernel(spec);
      if (emitted !== undefined) return this.#emittedI16(emitted);
    } else {
      const further = this.#more?.wasm.find(({ op, supports }) => op === spec.op && supports(spec));
      const emitted = (further as WasmKernel | undefined) ?? findWasmKernel(spec as Spec);
      if (emitted !== undefined) return this.#emitted(emitted);
    }
    return this.#plain(findPlain(spec, ['js', 'reference'], this.#more?.plain ?? []));
  }

  #bindEmitted(kernel: WasmKernel): BoundKernel {
    return {
      engine: 'wasm',
      pack: (spec, step, what) =>
        placeWeights(this, what, (place, room) => {
          const { weights, scale } = step as FloatWeights;
          let packed: Region | undefined;
          const values = kernel.pack(spec as Spec, weights, scale, (length) => {
            packed = room(length);
            return this.read(packed) as Float32Array;
          });
          return placeStep(place, step, packed ?? values);
        }),
      repack: (spec, { weights, scale, bias }, packed) => {
        const to = this.read(packed.weights) as Float32Array;
        const values = kernel.pack(spec as Spec, weights, scale, () => to);
        if (values !== to) to.set(values);
        this.write(packed.bias, bias);
      },
      bind: (spec, operands) => this.#bindCalls(kernel.calls(spec as Spec, this.#addresses(operands))),
    };
  }

  #bindEmittedI16(kernel: I16WasmKernel): BoundKernel {
    return {
      engine: 'wasm',
      pack: (spec, step, what) =>
        placeWeights(this, what, (place) =>
          placeStep(place, step, kernel.pack(spec as I16Spec, (step as I16Weights).weights)),
        ),
      repack: () => {
        throw new TypeError('weights of whole numbers are not trained');
      },
      bind: (spec, operands) => this.#bindCalls(kernel.calls(spec as I16Spec, this.#addresses(operands))),
    };
  }

  #bindCalls(calls: readonly Call[]): Work[] {
    return calls.map((call) => this.#bindCall(call));
  }

  #bindCall(call: Call): Work {
    const index = this.#names.indexOf(call.name);
    const run = this.#functions[index];
    const team = this.#team;
    const work = team === null ? () => run(...call.args) : () => team.run(index, call);
    if (this.#more !== undefined) this.#calls.set(work, { index, call });
    return work;
  }

  get atOnce() {
    const team = this.#laneTeam;
    if (team === undefined) return undefined;
    return (lanes: readonly (readonly LaneWork[])[]): AtOnce =>
      team.bind(lanes, {
        callOf: (work) => this.#calls.get(work),
        allocate: (bytes) => this.allocate('f32', bytes / ELEMENT_BYTES.f32, 'lanes'),
        free: (region) => this.free(region),
      });
  }

  allocate(type: ElementType, length: number, what: string): Region {
    return { type, allocation: this.#heap.allocate(length * ELEMENT_BYTES[type], what), offset: 0, length };
  }

  free({ type, allocation, length }: Region): void {
    this.#heap.free(allocation, length * ELEMENT_BYTES[type]);
  }

  write(region: Region, values: Elements): void {
    this.read(region).set(values);
  }

  read(region: Region): Elements {
    return new ARRAYS[region.type](this.#memory.buffer, address(region), region.length);
  }

  /** Gives a view of a region. When a memory grows, its old views become empty, so the view is then made anew. */
  #viewer(region: Region): () => Elements {
    let view = this.read(region);
    return () => {
      if (view.buffer !== this.#memory.buffer) view = this.read(region);
      return view;
    };
  }

  #addresses({ x, weights, bias, multiplier, residual, other, y }: StepRegions): Addresses & I16Addresses {
    const [zeros, at] = [this.#zeros, address];
    return {
      x: at(x),
      weights: at(weights),
      bias: at(bias),
      multiplier: at(multiplier),
      residual: at(residual),
      other: at(other),
      y: at(y),
      zeros,
    };
  }

  start(): Promise<void> {
    return this.#team?.start() ?? Promise.resolve();
  }

  dispose(): void {
    this.#team?.dispose();
  }
}

/** An allocation's number is its address. */
const address = ({ allocation, offset }: Region): number => allocation + offset;
