/** Emitted kernels of training in a WebAssembly.Memory with guards around every buffer: run whole, and split as threads split a call. */
import { findTrainingWasmKernel, TRAINING_WASM_KERNELS } from '../../../src/layers/backward/kernels.js';
import type { TrainingSpec } from '../../../src/layers/backward/spec.js';
import type { Addresses, Call, Operands, WasmKernel } from '../../../src/layers/kernel.js';
import { WASM_KERNELS } from '../../../src/layers/kernels.js';
import { ModuleBuilder } from '../../../src/tensor/wasm/assembler.js';
import { randomNumbers } from '../../helpers/random.js';
import { Bench, cuts, type Functions, flavours, runPart, ZEROS } from '../wasm-bench.js';
import { runTraining, type TrainingRun, trainingSizes } from './cases.js';

/** Kernels of training, and those of networks that run, which some of them call. */
export function emitTraining(relaxed: boolean): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initial: 1 }, { relaxed });
  for (const kernel of [...WASM_KERNELS, ...TRAINING_WASM_KERNELS]) kernel.emit(module);
  return module.encode();
}

export const TRAINING_FLAVOURS = flavours(emitTraining);

/** Runs whole, then in parts, last part first, and throws where that makes a difference. */
export function runTrainingInParts(kernel: WasmKernel<TrainingSpec>, functions: Functions): TrainingRun {
  const random = randomNumbers(7);
  return (spec, given) => {
    const bench = new Bench();
    const { weights } = given;
    const packed = weights.length > 0 ? kernel.pack(spec, weights) : weights;
    const before = { ...given, weights: packed, y: given.y.slice(), other: given.other.slice() };
    const placed = Object.fromEntries(
      Object.entries({ ...before, zeros: ZEROS }).map(([role, values]) => [role, bench.place(values)]),
    ) as unknown as Operands<Float32Array> & { zeros: Float32Array };
    const at = Object.fromEntries(Object.entries(placed).map(([role, { byteOffset }]) => [role, byteOffset]));
    const calls = kernel.calls(spec, at as unknown as Addresses);
    const run = (cutsOf: (call: Call) => number[]): Uint32Array => {
      placed.y.set(before.y);
      placed.other.set(before.other);
      for (const call of calls) {
        const bounds = cutsOf(call);
        for (let part = bounds.length - 2; part >= 0; part--) {
          runPart(functions, call, bounds[part], bounds[part + 1]);
        }
      }
      bench.check(spec);
      const bits = new Uint32Array(placed.y.length + placed.other.length);
      new Float32Array(bits.buffer).set(placed.y);
      new Float32Array(bits.buffer).set(placed.other, placed.y.length);
      return bits;
    };
    const whole = run((call) => cuts(call, 1));
    for (const role of ['x', 'weights', 'bias', 'residual'] as const) {
      if (placed[role].some((value, i) => !Object.is(value, before[role][i]))) throw new Error(`changed ${role}`);
    }
    given.y.set(placed.y);
    given.other.set(placed.other);
    for (const [parts, source] of [[2], [3], [7], [3, random], [5, random]] as [number, (() => number)?][]) {
      const inParts = run((call) => cuts(call, parts, source));
      const different = whole.findIndex((value, i) => value !== inParts[i]);
      if (different >= 0) throw new Error(`y[${different}] differs in ${parts} parts: ${JSON.stringify(spec)}`);
    }
  };
}

/** Runs a kernel on unpacked operands, into `y` as it is given, zeros unless given. */
export type RunTraining = (spec: TrainingSpec, given: Parameters<typeof runTraining>[2]) => Float32Array;

/** All that there is to run kernels of training. What is not emitted goes to js, as in the engine. */
export const TRAINING_ENGINES: readonly [string, RunTraining][] = [
  ['reference', (spec, given) => runTraining('reference', spec, given)],
  ['js', (spec, given) => runTraining('js', spec, given)],
  ...TRAINING_FLAVOURS.map(([flavour, functions]): [string, RunTraining] => [
    `wasm, ${flavour}`,
    (spec, given) => {
      const kernel = findTrainingWasmKernel(spec);
      if (kernel === undefined) return runTraining('js', spec, given);
      const none = new Float32Array(0);
      const y = given.y ?? new Float32Array(trainingSizes(spec).y);
      const all = { x: none, weights: none, bias: none, residual: none, other: none, ...given, y };
      runTrainingInParts(kernel, functions)(spec, all);
      return y;
    },
  ]),
];
