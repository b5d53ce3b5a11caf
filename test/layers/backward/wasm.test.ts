/**
 * Every emitted kernel of training against the reference, over every edge of its shapes, in a WebAssembly.Memory with guards
 * around every buffer; and the same bits however a call is split between threads.
 */
import { describe, expect, it } from 'vitest';
import { findTrainingWasmKernel, TRAINING_WASM_KERNELS } from '../../../src/layers/backward/kernels.js';
import type { TrainingSpec } from '../../../src/layers/backward/spec.js';
import type { Addresses, Call, Operands, WasmKernel } from '../../../src/layers/kernel.js';
import { WASM_KERNELS } from '../../../src/layers/kernels.js';
import { kernelName } from '../../../src/layers/spec.js';
import { ModuleBuilder } from '../../../src/tensor/wasm/assembler.js';
import { randomNumbers } from '../../helpers/random.js';
import { Bench, cuts, type Functions, flavours, runPart, ZEROS } from '../wasm-bench.js';
import { compareTraining, TRAINING_CASES, type TrainingRun } from './cases.js';

const FLAVOURS = flavours((relaxed) => {
  const module = new ModuleBuilder({ initial: 1 }, { relaxed });
  // Some call those of networks that run.
  for (const kernel of [...WASM_KERNELS, ...TRAINING_WASM_KERNELS]) kernel.emit(module);
  return module.encode();
});

/** Once a step, or a channel: loops in JavaScript do. */
const OPERATIONS_LEFT: readonly TrainingSpec['op'][] = [
  ...(['norm_scale', 'norm_dw', 'norm_dx_weights', 'fold_dw', 'fold_dgamma'] as const),
  ...(['conv3x3_dx'] as const),
  ...(['average_pool_dx', 'resize_bilinear_dx'] as const),
];

/** Fewer than four channels of a depthwise convolution are left to js, so the cases have four more. */
const wide = (spec: TrainingSpec): TrainingSpec =>
  'channels' in spec && spec.channels < 4 && 'outWidth' in spec ? { ...spec, channels: spec.channels + 4 } : spec;

/** Runs whole, then in parts, last part first, and throws where that makes a difference. */
function runInParts(kernel: WasmKernel<TrainingSpec>, functions: Functions): TrainingRun {
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

for (const [flavour, functions] of FLAVOURS) {
  for (const kernel of TRAINING_WASM_KERNELS) {
    const run = runInParts(kernel, functions);
    const cases = TRAINING_CASES.filter(({ op }) => op === kernel.op)
      .map(wide)
      .filter((spec) => kernel.supports(spec));

    describe(`${kernel.op}, wasm, ${flavour}, is the reference, in one part or many`, () => {
      it.each([...new Set(cases.map((spec) => kernelName(spec, 'wasm')))])('%s', (name) => {
        for (const spec of cases.filter((one) => kernelName(one, 'wasm') === name)) compareTraining(run, spec);
      });
    });
  }
}

describe('what the wasm kernels leave to js', () => {
  it('is less than a vector of channels, a stride with a dilation, and functions that are no clamp', () => {
    const left = TRAINING_CASES.filter((spec) => findTrainingWasmKernel(wide(spec)) === undefined);
    for (const spec of left) {
      const odd =
        ('dilation' in spec && spec.dilation > 1 && spec.stride === 2) ||
        OPERATIONS_LEFT.includes(spec.op) ||
        (spec.op === 'activation_dx' && !['relu', 'relu6'].includes(spec.function));
      expect(odd, JSON.stringify(spec)).toBe(true);
    }
  });
});
