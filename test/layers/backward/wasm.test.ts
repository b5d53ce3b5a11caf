/**
 * Every emitted kernel of training against the reference, over every edge of its shapes, in a WebAssembly.Memory with guards
 * around every buffer; and the same bits however a call is split between threads.
 */
import { describe, expect, it } from 'vitest';
import { findTrainingWasmKernel, TRAINING_WASM_KERNELS } from '../../../src/layers/backward/kernels.js';
import type { TrainingSpec } from '../../../src/layers/backward/spec.js';
import type { Addresses, Operands } from '../../../src/layers/kernel.js';
import { kernelName } from '../../../src/layers/spec.js';
import { type Functions, memory, ZEROS } from '../wasm-bench.js';
import { compareTraining, expectedTraining, TRAINING_CASES, trainingOperands, trainingSizes } from './cases.js';
import { emitTraining, runTrainingInParts, TRAINING_FLAVOURS } from './wasm-bench.js';

/** Once a step, or a channel: loops in JavaScript do. */
const OPERATIONS_LEFT: readonly TrainingSpec['op'][] = [
  ...(['norm_scale', 'norm_dw', 'norm_dx_weights', 'norm_moments_join', 'norm_sums_join'] as const),
  ...(['conv3x3_dx'] as const),
  ...(['resize_bilinear_dx'] as const),
];

/** Fewer than four channels of a depthwise convolution are left to js, so the cases have four more. */
const wide = (spec: TrainingSpec): TrainingSpec =>
  'channels' in spec && spec.channels < 4 && 'inWidth' in spec ? { ...spec, channels: spec.channels + 4 } : spec;

for (const [flavour, functions] of TRAINING_FLAVOURS) {
  for (const kernel of TRAINING_WASM_KERNELS) {
    const run = runTrainingInParts(kernel, functions);
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

describe('where they may, kernels write over what they read', () => {
  const sizes = { dtype: 'f32', pixels: 7, channels: 21 } as const;
  const cases: [TrainingSpec, 'x' | 'other'][] = [
    [{ op: 'activation_dx', dtype: 'f32', size: 147, function: 'relu6' }, 'other'],
    [{ ...sizes, op: 'norm_dx' }, 'other'],
    [{ ...sizes, op: 'dropout', batch: 1 }, 'x'],
  ];
  it.each(TRAINING_FLAVOURS)('%s', (_flavour, functions) => {
    for (const [spec, role] of cases) {
      const given = trainingOperands(spec, 'integers');
      let end = 64;
      const at = Object.fromEntries(
        Object.entries(given).map(([name, values]) => {
          const from = end;
          new Float32Array(memory.buffer, from, values.length).set(values);
          end += 4 * values.length + 64;
          return [name, from];
        }),
      ) as unknown as Addresses;
      for (const { name, args } of findTrainingWasmKernel(spec)!.calls(spec, { ...at, y: at[role], zeros: 0 })) {
        functions[name](...args);
      }
      const got = new Float32Array(memory.buffer, at[role], given.y.length);
      expect(got.map((value) => value + 0)).toEqual(expectedTraining(spec, given).y.map((value) => value + 0)); // no -0
    }
  });
});

describe('far up in memory', () => {
  it('addresses beyond 2 GiB are no negative numbers', (context) => {
    let high: WebAssembly.Memory;
    try {
      high = new WebAssembly.Memory({ initial: 2 ** 15 + 64 }); // pages that are not touched take no room
    } catch (error) {
      context.skip(`this machine gives no memory of 2 GiB: ${(error as Error).message}`);
      return;
    }
    const module = new WebAssembly.Module(emitTraining(false));
    const functions = new WebAssembly.Instance(module, { env: { memory: high } }).exports as Functions;
    for (const kernel of TRAINING_WASM_KERNELS) {
      const spec = TRAINING_CASES.filter(({ op }) => op === kernel.op)
        .map(wide)
        .findLast((one) => kernel.supports(one) && trainingSizes(one).y < 2000)!;
      // Half of each lies on either side of the border.
      for (const middle of ['x', 'y', 'other'] as const) {
        const given = trainingOperands(spec, 'integers');
        const { weights } = given;
        const packed = weights.length > 0 ? kernel.pack(spec, weights) : weights;
        const buffers = { ...given, weights: packed, zeros: ZEROS } as Operands<Float32Array> & { zeros: Float32Array };
        const roles = Object.keys(buffers) as (keyof typeof buffers)[];
        let end = 2 ** 31 - 4 * Math.floor(buffers[middle].length / 2);
        const at = {} as Addresses;
        for (const role of [middle, ...roles.filter((one) => one !== middle)]) {
          at[role] = end;
          new Float32Array(high.buffer, end, buffers[role].length).set(buffers[role]);
          end += 4 * buffers[role].length + 64;
        }
        for (const { name, args } of kernel.calls(spec, at)) functions[name](...args);
        const got = new Float32Array(high.buffer, at.y, given.y.length);
        const wanted = expectedTraining(spec, given).y;
        for (let i = 0; i < got.length; i++) {
          if (Math.abs(got[i] - wanted[i]) <= 1e-5 * Math.abs(wanted[i]) + 1e-5) continue;
          throw new Error(`${middle}: y[${i}] is ${got[i]}, not ${wanted[i]}: ${JSON.stringify(spec)}`);
        }
      }
    }
  });
});

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
