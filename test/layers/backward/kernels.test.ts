/** Every kernel of training in JavaScript against the reference, over every edge of its shapes. */
import { describe, expect, it } from 'vitest';
import { ACTIVATION_NAMES } from '../../../src/layers/activation/plain.js';
import { DERIVATIVE_NAMES } from '../../../src/layers/backward/activation/plain.js';
import { findTrainingKernel, TRAINING_KERNELS } from '../../../src/layers/backward/kernels.js';
import { type TrainingSpec, trainingMultiplyAdds } from '../../../src/layers/backward/spec.js';
import { kernelName } from '../../../src/layers/spec.js';
import { compareTraining, runTraining, TRAINING_CASES, type TrainingRun, trainingOperands } from './cases.js';

for (const kernel of TRAINING_KERNELS.filter(({ engine }) => engine !== 'reference')) {
  const run: TrainingRun = (spec, operands) => {
    kernel.run(spec, { ...operands, weights: kernel.pack(spec, operands.weights) });
  };
  const cases = TRAINING_CASES.filter((spec) => spec.op === kernel.op && kernel.supports(spec));
  if (cases.length === 0) throw new Error(`no case for ${kernel.op}, ${kernel.engine}`);
  // Cases of one name differ in sizes only, and make one test.
  const names = [...new Set(cases.map((spec) => kernelName(spec, kernel.engine)))];
  it.each(names)('%s', (name) => {
    for (const spec of cases.filter((one) => kernelName(one, kernel.engine) === name)) compareTraining(run, spec);
  });
}

describe.each(['reference', 'js'] as const)('kernels of training, %s', (engine) => {
  it('are there for every operation', () => {
    for (const spec of TRAINING_CASES) expect(findTrainingKernel(spec, [engine]).engine).toBe(engine);
  });

  it('may write where they read, if the spec says so', () => {
    const sizes = { dtype: 'f32', pixels: 3, channels: 5 } as const;
    const cases: [TrainingSpec, 'x' | 'other'][] = [
      [{ op: 'activation_dx', dtype: 'f32', size: 15, function: 'silu' }, 'other'],
      [{ op: 'activation_dx', dtype: 'f32', size: 15, function: 'relu6' }, 'other'],
      [{ ...sizes, op: 'norm_dx' }, 'other'],
      [{ ...sizes, op: 'dropout', batch: 2 }, 'x'],
    ];
    for (const [spec, role] of cases) {
      const given = trainingOperands(spec, 'reals');
      const apart = runTraining(engine, spec, { ...given, y: new Float32Array(given.y.length) });
      expect(runTraining(engine, spec, { ...given, y: given[role] })).toEqual(apart);
    }
  });

  it('let NaN through, and stop what is infinite before a clamp', () => {
    const x = Float32Array.of(Number.NaN, -1, 7, 3);
    for (const [named, at7] of [
      ['relu', Infinity],
      ['relu6', 0],
    ] as const) {
      const spec: TrainingSpec = { op: 'activation_dx', dtype: 'f32', size: 4, function: named };
      const dy = Float32Array.of(2, Infinity, Infinity, Number.NaN);
      expect([...runTraining(engine, spec, { x, other: dy })]).toEqual([2, 0, at7, Number.NaN]);
    }
  });

  it('remember nothing between calls', () => {
    for (const spec of TRAINING_CASES.filter((_, i) => i % 37 === 0)) {
      const given = () => trainingOperands(spec, 'reals');
      expect(runTraining(engine, spec, given())).toEqual(runTraining(engine, spec, given()));
    }
  });
});

describe('RMSProp', () => {
  it('divides by no negative variance of gradients that are all alike', () => {
    const settings = { alpha: 0.9, epsilon: 1e-8, momentum: 0, centered: true, learningRate: 0.01, weightDecay: 0 };
    const spec: TrainingSpec = { op: 'rmsprop', dtype: 'f32', size: 1, gradientScale: 1, ...settings };
    const given = { x: Float32Array.of(0.3), other: new Float32Array(2), y: Float32Array.of(1) };
    for (let step = 0; step < 300; step++) runTraining('reference', spec, given);
    expect(given.y[0]).toBeLessThan(1);
  });
});

it('every activation function has a derivative, under the same name', () => {
  expect([...DERIVATIVE_NAMES].sort()).toEqual([...ACTIVATION_NAMES].sort());
});

describe('multiply-adds of training', () => {
  it('are those of the convolution', () => {
    const window = {
      batch: 2,
      inHeight: 5,
      inWidth: 7,
      outHeight: 3,
      outWidth: 4,
      stride: 2,
      padTop: 1,
      padLeft: 1,
    } as const;
    const all = { dtype: 'f32', ...window, channels: 6, dilation: 1, inChannels: 3, outChannels: 5 } as const;
    expect(trainingMultiplyAdds({ ...all, op: 'depthwise3x3_dw' })).toBe(2 * 12 * 6 * 9);
    expect(trainingMultiplyAdds({ ...all, op: 'depthwise3x3_dx', mask: 'none' })).toBe(2 * 12 * 6 * 9);
    expect(trainingMultiplyAdds({ ...all, op: 'conv3x3_dw' })).toBe(2 * 12 * 3 * 5 * 9);
    expect(trainingMultiplyAdds({ ...all, op: 'conv3x3_dx' })).toBe(2 * 12 * 3 * 5 * 9);
    expect(trainingMultiplyAdds({ op: 'pointwise_dw', dtype: 'f32', pixels: 7, inChannels: 3, outChannels: 5 })).toBe(
      105,
    );
    expect(trainingMultiplyAdds({ op: 'sum_of_squares', dtype: 'f32', size: 7 })).toBe(0);
  });
});
