/** Emitted kernels of whole numbers in a WebAssembly.Memory with guards around every buffer, as wasm-bench.ts has those of real ones. */
import type { Call } from '../../src/layers/kernel.js';
import type { I16Addresses, I16WasmKernel } from '../../src/layers/kernel-i16.js';
import * as kernels from '../../src/layers/kernels-i16.js';
import type { I16Spec } from '../../src/layers/spec.js';
import { emitKernels } from '../../src/layers/wasm-module.js';
import { provideWholeNumbers } from '../../src/layers/whole-numbers.js';
import { randomNumbers } from '../helpers/random.js';
import { type I16Given, type I16Run, madeBy, SENTINEL } from './i16-cases.js';
import { cuts, type Functions, runPart } from './wasm-bench.js';

/** All buffers lie in it. */
const memoryI16 = new WebAssembly.Memory({ initial: 64 });
const bytes = new Uint8Array(memoryI16.buffer);

provideWholeNumbers(kernels);
const module = new WebAssembly.Module(emitKernels({ elements: 'i16', shared: false, relaxed: false }));
export const FUNCTIONS_I16 = new WebAssembly.Instance(module, { env: { memory: memoryI16 } }).exports as Functions;

/** What is read of it shows in results, what is written over it in the bytes. */
const GUARD = 0xa5;
const GUARD_BYTES = 128;

type Values = Int8Array | Int16Array | Int32Array | Float32Array;

/** Buffers with guards around each, none of them aligned to more than its elements. */
class Bench {
  #end = 0;
  readonly #guards: [from: number, to: number][] = [];

  #guard(to: number): void {
    if (to > bytes.length) throw new Error('the memory of this test is too small');
    bytes.fill(GUARD, this.#end, to);
    this.#guards.push([this.#end, to]);
    this.#end = to;
  }

  place<V extends Values>(values: V): V {
    const size = values.BYTES_PER_ELEMENT;
    const from = Math.ceil((this.#end + GUARD_BYTES) / 16) * 16 + size;
    this.#guard(from);
    const placed = new (values.constructor as new (b: ArrayBuffer, o: number, l: number) => V)(
      memoryI16.buffer as ArrayBuffer,
      from,
      values.length,
    );
    placed.set(values);
    this.#end += values.byteLength;
    return placed;
  }

  /** The last guard; nothing can be placed after. */
  close(): void {
    this.#guard(this.#end + GUARD_BYTES);
  }

  check(what: I16Spec): void {
    for (const [from, to] of this.#guards) {
      for (let i = from; i < to; i++) {
        if (bytes[i] !== GUARD) throw new Error(`wrote outside a buffer, at byte ${i}: ${JSON.stringify(what)}`);
      }
    }
  }
}

/** What lies outside a picture. */
const ZEROS = new Int32Array(16);

export function placeI16(kernel: I16WasmKernel, spec: I16Spec, { x, weights, bias, multiplier, other }: I16Given) {
  const bench = new Bench();
  const y = bench.place(madeBy(spec));
  const buffers = {
    x: bench.place(x),
    weights: bench.place(weights.length > 0 ? kernel.pack(spec, weights) : weights),
    bias: bench.place(bias),
    multiplier: bench.place(multiplier),
    other: bench.place(other),
    zeros: bench.place(ZEROS),
    y,
  };
  bench.close();
  const at = Object.fromEntries(Object.entries(buffers).map(([name, { byteOffset }]) => [name, byteOffset]));
  return { bench, y, x: buffers.x, at: at as unknown as I16Addresses };
}

/** Runs whole, then in parts, last part first, and throws where that makes a difference. */
export function runInPartsI16(kernel: I16WasmKernel, functions: Functions = FUNCTIONS_I16): I16Run {
  const random = randomNumbers(7);
  return (spec, given, y) => {
    const placed = placeI16(kernel, spec, given);
    const calls = kernel.calls(spec, placed.at);
    const run = (cutsOf: (call: Call) => number[]) => {
      placed.y.fill(SENTINEL);
      for (const call of calls) {
        const at = cutsOf(call);
        for (let part = at.length - 2; part >= 0; part--) runPart(functions, call, at[part], at[part + 1]);
      }
      placed.bench.check(spec);
    };
    run((call) => cuts(call, 1));
    y.set(placed.y);
    for (const [parts, source] of [[2], [3], [7], [3, random], [5, random]] as [number, (() => number)?][]) {
      run((call) => cuts(call, parts, source));
      const different = y.findIndex((value, i) => value !== placed.y[i]);
      if (different >= 0) throw new Error(`y[${different}] differs in ${parts} parts: ${JSON.stringify(spec)}`);
    }
  };
}
