/**
 * Emitted kernels in a WebAssembly.Memory with guards around every buffer: run whole, or split as threads split a call.
 */
import type { Addresses, Call, WasmKernel } from '../../src/layers/kernel.js';
import type { Spec } from '../../src/layers/spec.js';
import { emitKernels } from '../../src/layers/wasm-module.js';
import { randomNumbers } from '../helpers/random.js';
import { type Operands, type Run, sizes } from './cases.js';

export type Functions = Record<string, (...args: number[]) => void>;

/** All buffers lie in it. */
export const memory = new WebAssembly.Memory({ initial: 512 });
const bits = new Uint32Array(memory.buffer);

/** The functions of a module; once more with relaxed SIMD where this machine takes it. */
export function flavours(emit: (relaxed: boolean) => Uint8Array<ArrayBuffer>): [string, Functions][] {
  const modules: [string, Uint8Array<ArrayBuffer>][] = [['plain', emit(false)]];
  if (WebAssembly.validate(emit(true))) modules.push(['relaxed', emit(true)]);
  else console.warn(`relaxed SIMD is not tested: ${process.version} does not take it`);
  return modules.map(([name, bytes]) => {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    return [name, exports as Functions];
  });
}

/** The emitted functions of networks that run. */
export const FLAVOURS = flavours((relaxed) => emitKernels({ shared: false, relaxed }));

/** A NaN that no arithmetic makes: what is read of it shows in results, what is written over it in the bits. */
const GUARD = 0x7fabcdef;
const GUARD_WORDS = 48;

/** Buffers with guards around each, none of them aligned to more than a float. */
export class Bench {
  #end = 1;
  readonly #guards: number[] = [];

  constructor() {
    this.#guard();
  }

  #guard(): void {
    if (this.#end + GUARD_WORDS > bits.length) throw new Error('the memory of this test is too small');
    bits.fill(GUARD, this.#end, this.#end + GUARD_WORDS);
    this.#guards.push(this.#end);
    this.#end += GUARD_WORDS;
  }

  place(values: Float32Array): Float32Array {
    const placed = new Float32Array(memory.buffer, 4 * this.#end, values.length);
    placed.set(values);
    this.#end += values.length;
    this.#guard();
    return placed;
  }

  check(what: unknown): void {
    for (const from of this.#guards) {
      for (let i = from; i < from + GUARD_WORDS; i++) {
        if (bits[i] !== GUARD) throw new Error(`wrote outside a buffer, at word ${i}: ${JSON.stringify(what)}`);
      }
    }
  }
}

/** What lies outside a picture, and no more of it than a kernel may ask for. */
export const ZEROS = new Float32Array(16);

export function place(kernel: WasmKernel, spec: Spec, { x, weights, bias, residual, other }: Operands) {
  const bench = new Bench();
  const y = bench.place(new Float32Array(sizes(spec).y));
  const buffers = {
    x: bench.place(x),
    weights: bench.place(weights.length > 0 ? kernel.pack(spec, weights) : weights),
    bias: bench.place(bias),
    residual: bench.place(residual),
    other: bench.place(other),
    zeros: bench.place(ZEROS),
    y,
  };
  const at = Object.fromEntries(Object.entries(buffers).map(([name, { byteOffset }]) => [name, byteOffset]));
  return { bench, y, at: at as unknown as Addresses };
}

export function runPart(functions: Functions, { name, args, split }: Call, from: number, to: number): void {
  const part = [...args];
  part[split.at] = from;
  part[split.at + 1] = to;
  functions[name](...part);
}

/** The bounds of a call's parts, at multiples of the grain: of equal parts, or of such as `random` makes. */
export function cuts({ args, split: { at: first, grain } }: Call, parts: number, random?: () => number): number[] {
  const [from, to] = args.slice(first);
  const units = Math.ceil((to - from) / grain);
  const at = Array.from({ length: parts - 1 }, (_, i) =>
    random === undefined ? Math.floor((units * (i + 1)) / parts) : Math.floor(random() * (units + 1)),
  );
  return [from, ...at.map((unit) => Math.min(from + unit * grain, to)).sort((a, b) => a - b), to];
}

/** Runs once, whole. */
export function runWhole(kernel: WasmKernel, functions: Functions): Run {
  return (spec, given, y) => {
    const placed = place(kernel, spec, given);
    placed.y.set(y); // what is left as it was shows
    for (const { name, args } of kernel.calls(spec, placed.at)) functions[name](...args);
    placed.bench.check(spec);
    y.set(placed.y);
  };
}

/** Runs whole, then in parts, last part first, and throws where that makes a difference. */
export function runInParts(kernel: WasmKernel, functions: Functions): Run {
  const random = randomNumbers(7);
  return (spec, given, y) => {
    const placed = place(kernel, spec, given);
    const calls = kernel.calls(spec, placed.at);
    const run = (cutsOf: (call: Call) => number[]) => {
      placed.y.fill(Number.NaN);
      for (const call of calls) {
        const at = cutsOf(call);
        for (let part = at.length - 2; part >= 0; part--) runPart(functions, call, at[part], at[part + 1]);
      }
      placed.bench.check(spec);
    };
    run((call) => cuts(call, 1));
    y.set(placed.y);
    const whole = new Uint32Array(y.slice().buffer);
    const inParts = new Uint32Array(memory.buffer, placed.y.byteOffset, placed.y.length);
    for (const [parts, source] of [[2], [3], [7], [3, random], [5, random]] as [number, (() => number)?][]) {
      run((call) => cuts(call, parts, source));
      const different = whole.findIndex((value, i) => value !== inParts[i]);
      if (different >= 0) throw new Error(`y[${different}] differs in ${parts} parts: ${JSON.stringify(spec)}`);
    }
  };
}
