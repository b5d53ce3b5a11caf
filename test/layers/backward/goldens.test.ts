/** Every kernel of training, the reference first of all, against PyTorch. The recipe is ../../goldens/training/make.py. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { OptimizerSpec, TrainingSpec } from '../../../src/layers/backward/spec.js';
import { nchwToNhwc } from '../../../src/tensor/shape.js';
import { type FormulaKind, formulaTensor } from '../../helpers/formula.js';
import { float32Golden, readGoldens } from '../../helpers/goldens.js';
import { sharedFile } from '../../helpers/shared.js';
import { conv3x3, depthwise } from '../cases.js';
import { TRAINING_ENGINES } from './wasm-bench.js';

interface Case {
  name: string;
  op: string;
  inputs: Record<string, { dims: number[] }>;
  stride: 1 | 2;
  dilation: number;
  padding: 'tf' | 'torch';
  training: boolean;
  epsilon: number;
  function: string;
  alignCorners: boolean;
}

const folder = sharedFile('goldens/training/');
const json = (file: string) => JSON.parse(readFileSync(`${folder}${file}.json`, 'utf8')).cases;
const cases: Case[] = folder === undefined ? [] : json('kernels');
const goldens = folder === undefined ? new Map() : readGoldens(`${folder}kernels.safetensors`);
const ofOp = (op: string) => cases.filter((one) => one.op === op);

const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

/** An input of a case, or the gradient that comes down to it, `dy`. */
function input(name: string, key: string, dims: readonly number[]): Float32Array {
  const kinds: Record<string, FormulaKind> = { w: 'weight', gamma: 'gamma' };
  return formulaTensor(`${name}.${key}`, dims, kinds[key] ?? 'value');
}

/** [N,C,…] as [N,…,C]. */
function nhwc(values: Float32Array, [n, c, ...rest]: readonly number[]): Float32Array {
  const y = new Float32Array(values.length);
  nchwToNhwc(values, y, n, c, product(rest), 1);
  return y;
}

function picture(name: string, key: string, dims: readonly number[]): Float32Array {
  return nhwc(input(name, key, dims), dims);
}

const wanted = (name: string) => float32Golden(goldens, name);
const wantedPicture = (name: string) => nhwc(wanted(name), goldens.get(name)!.dims);

/** Equal to `tolerance` of the largest. */
function expectClose(got: Float32Array, golden: Float32Array, tolerance = 1e-5): void {
  expect(got.length).toBe(golden.length);
  const bound = tolerance * golden.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
  for (let i = 0; i < got.length; i++) {
    if (!(Math.abs(got[i] - golden[i]) <= bound)) expect.fail(`[${i}] is ${got[i]}, not ${golden[i]} ± ${bound}`);
  }
}

describe.skipIf(folder === undefined).each(TRAINING_ENGINES)('%s against PyTorch', (_engine, run) => {
  const sums = (dy: Float32Array, channels: number) =>
    run({ op: 'channel_sum', dtype: 'f32', pixels: dy.length / channels, channels }, { x: dy });

  it.each(ofOp('conv3x3'))('$name', ({ name, inputs, stride, padding }) => {
    const [batch, C, H, W] = inputs.x.dims;
    const K = inputs.w.dims[0];
    const { activation: _, ...sizes } = conv3x3(H, W, C, K, stride, padding === 'tf', { batch });
    const dy = picture(name, 'dy', goldens.get(`${name}/y`)!.dims);
    const x = input(name, 'x', inputs.x.dims);
    expectClose(run({ ...sizes, op: 'conv3x3_dw' }, { x, other: dy }), wanted(`${name}/dw`));
    const weights = input(name, 'w', inputs.w.dims);
    expectClose(run({ ...sizes, op: 'conv3x3_dx' }, { x: dy, weights }), wanted(`${name}/dx`));
    expectClose(sums(dy, K), wanted(`${name}/db`));
  });

  it.each(ofOp('depthwise3x3'))('$name', ({ name, inputs, stride, dilation, padding }) => {
    const [batch, C, H, W] = inputs.x.dims;
    const { activation: _, ...sizes } = depthwise(H, W, C, stride, dilation, padding === 'tf', { batch });
    const dy = picture(name, 'dy', goldens.get(`${name}/y`)!.dims);
    const x = picture(name, 'x', inputs.x.dims);
    expectClose(run({ ...sizes, op: 'depthwise3x3_dw' }, { x, other: dy }), wanted(`${name}/dw`));
    const weights = input(name, 'w', inputs.w.dims);
    expectClose(
      run({ ...sizes, op: 'depthwise3x3_dx', mask: 'none' }, { x: dy, weights }),
      wantedPicture(`${name}/dx`),
    );
    expectClose(sums(dy, C), wanted(`${name}/db`));
  });

  it.each(ofOp('pointwise'))('$name', ({ name, inputs }) => {
    const [N, C, P] = inputs.x.dims;
    const K = inputs.w.dims[0];
    const dy = picture(name, 'dy', [N, K, P]);
    const x = picture(name, 'x', inputs.x.dims);
    const spec: TrainingSpec = { op: 'pointwise_dw', dtype: 'f32', pixels: N * P, inChannels: C, outChannels: K };
    expectClose(run(spec, { x, other: dy }), wanted(`${name}/dw`));
    expectClose(sums(dy, K), wanted(`${name}/db`));

    const weights = input(name, 'w', inputs.w.dims);
    const dx = run({ ...spec, op: 'pointwise_dx', residual: false, mask: 'none' }, { x: dy, weights });
    expectClose(dx, wantedPicture(`${name}/dx`));
  });

  it.each(ofOp('batch_norm'))('$name', ({ name, inputs, training, epsilon }) => {
    const dims = inputs.x.dims;
    const [N, channels, ...rest] = dims;
    const all = { dtype: 'f32', pixels: N * product(rest), channels, epsilon } as const;
    const x = picture(name, 'x', dims);
    const dy = picture(name, 'dy', dims);
    const gamma = input(name, 'gamma', [channels]);
    const beta = input(name, 'beta', [channels]);
    const running = ['running_mean', 'running_var'].map((key) => formulaTensor(`${name}.${key}`, [channels]));
    const moments = training
      ? run({ ...all, op: 'norm_moments' }, { x })
      : Float32Array.of(...running[0], ...running[1]);

    const scales = run({ ...all, op: 'norm_scale' }, { x: moments, weights: gamma, bias: beta });
    expectClose(
      run({ ...all, op: 'scale_shift', activation: 'none' }, { x, weights: scales }),
      wantedPicture(`${name}/y`),
    );
    const back = run({ ...all, op: 'norm_sums' }, { x, other: dy, weights: moments });
    expectClose(run({ ...all, op: 'norm_dw' }, { x: moments, other: back }), wanted(`${name}/dgamma`));
    expectClose(back.subarray(0, channels), wanted(`${name}/dbeta`));
    // The statistics of an epoch do not depend on the batch: their part of the gradient is left out.
    const weights = training
      ? run({ ...all, op: 'norm_dx_weights' }, { x: moments, other: back, weights: gamma })
      : Float32Array.of(...scales.subarray(0, channels), ...new Float32Array(2 * channels));
    expectClose(run({ ...all, op: 'norm_dx' }, { x, other: dy, weights }), wantedPicture(`${name}/dx`));
  });

  it.each(ofOp('activation'))('$name', ({ name, function: named }) => {
    const x = wanted(`${name}/x`);
    const spec: TrainingSpec = { op: 'activation_dx', dtype: 'f32', size: x.length, function: named };
    const dx = run(spec, { x, other: new Float32Array(x.length).fill(1) });
    expectClose(dx, wanted(`${name}/dx`));
    // Not to 1e-5 of the largest alone: a unit at rest is at rest.
    for (const [i, value] of wanted(`${name}/dx`).entries()) if (value === 0) expect(dx[i]).toBe(0);
  });

  it.each(ofOp('average_pool'))('$name', ({ name, inputs }) => {
    const [batch, channels, inHeight, inWidth] = inputs.x.dims;
    const sizes = { batch, channels, inHeight, inWidth, kernelHeight: inHeight, kernelWidth: inWidth };
    const dy = input(name, 'dy', [batch, channels]);
    expectClose(run({ op: 'average_pool_dx', dtype: 'f32', ...sizes }, { x: dy }), wantedPicture(`${name}/dx`));
  });

  it.each(ofOp('resize_bilinear'))('$name', ({ name, inputs, alignCorners }) => {
    const [batch, channels, inHeight, inWidth] = inputs.x.dims;
    const dims = goldens.get(`${name}/y`)!.dims;
    const sizes = { batch, channels, inHeight, inWidth, outHeight: dims[2], outWidth: dims[3], alignCorners };
    const dy = picture(name, 'dy', dims);
    expectClose(run({ op: 'resize_bilinear_dx', dtype: 'f32', ...sizes }, { x: dy }), wantedPicture(`${name}/dx`));
  });
});

/** torch.optim's arguments, and what the recipe did with them. */
interface OptimizerCase {
  name: string;
  type: 'SGD' | 'RMSprop' | 'Adam' | 'AdamW' | 'clip_grad_norm_';
  momentum?: number;
  dampening?: number;
  nesterov?: boolean;
  alpha?: number;
  eps?: number;
  centered?: boolean;
  betas?: [number, number];
  weight_decay?: number;
  lr_of_step: number[];
  gradient_scale: number[];
  max_norm: number;
  scale: number;
  total_norm: number;
}

const optimizerCases: OptimizerCase[] = folder === undefined ? [] : json('optimizers');
const optimizers = folder === undefined ? new Map() : readGoldens(`${folder}optimizers.safetensors`);
const PARAMETERS = [[3, 4], [5]];

/** What the kernel is told in step `step`, with PyTorch's defaults. */
function optimizerSpec(given: OptimizerCase, step: number, size: number): OptimizerSpec {
  const { momentum = 0, dampening = 0, nesterov = false, alpha = 0.99, eps: epsilon = 1e-8, centered = false } = given;
  const [beta1, beta2] = given.betas ?? [0.9, 0.999];
  const gradientScale = given.gradient_scale[step];
  const weightDecay = given.weight_decay ?? (given.type === 'AdamW' ? 0.01 : 0);
  const all = { dtype: 'f32', size, learningRate: given.lr_of_step[step], weightDecay, gradientScale } as const;
  if (given.type === 'SGD') return { ...all, op: 'sgd', momentum, dampening, nesterov, first: step === 0 };
  if (given.type === 'RMSprop') return { ...all, op: 'rmsprop', alpha, epsilon, momentum, centered };
  return { ...all, op: 'adam', decoupled: given.type === 'AdamW', beta1, beta2, epsilon, step: step + 1 };
}

describe.skipIf(folder === undefined).each(TRAINING_ENGINES)('optimizers, %s', (_engine, run) => {
  it.each(optimizerCases.filter(({ type }) => type !== 'clip_grad_norm_'))('$name', (given) => {
    for (const [i, dims] of PARAMETERS.entries()) {
      const y = formulaTensor(`p.${i}`, dims);
      const other = new Float32Array(3 * y.length);
      for (let step = 0; step < 5; step++) {
        const x = formulaTensor(`g.${step}.${i}`, dims);
        run(optimizerSpec(given, step, y.length), { x, other, y });
        expectClose(y, float32Golden(optimizers, `${given.name}/${step}.${i}`), 1e-6);
      }
    }
  });

  it.each(optimizerCases.filter(({ type }) => type === 'clip_grad_norm_'))('$name', (given) => {
    const gradients = PARAMETERS.map((dims, i) => formulaTensor(`g.0.${i}`, dims).map((value) => value * given.scale));
    const squares = gradients.map((x) => run({ op: 'sum_of_squares', dtype: 'f32', size: x.length }, { x })[0]);
    const norm = Math.sqrt(squares[0] + squares[1]);
    expect(norm / given.total_norm).toBeCloseTo(1, 6);
    const factor = Math.min(1, given.max_norm / (norm + 1e-6));
    for (const [i, gradient] of gradients.entries()) {
      const clipped = gradient.map((value) => value * factor);
      expectClose(clipped, float32Golden(optimizers, `${given.name}/${i}`), 1e-6);
    }
  });
});
