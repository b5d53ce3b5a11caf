/** Gradients against differences of the forward pass, over random sizes: what no golden was stored for. */
import { describe, expect, it } from 'vitest';
import { ACTIVATION_NAMES, activationFunction } from '../../../src/layers/activation/plain.js';
import type { TrainingSpec } from '../../../src/layers/backward/spec.js';
import { operandsOf } from '../../../src/layers/kernel.js';
import { findKernel } from '../../../src/layers/kernels.js';
import type { Spec } from '../../../src/layers/spec.js';
import { randomNumbers } from '../../helpers/random.js';
import { SEED } from '../../helpers/seed.js';
import { conv3x3, depthwise, pointwise, sizes } from '../cases.js';
import { runTraining } from './cases.js';

const random = randomNumbers(SEED);
const from1to = (last: number) => 1 + Math.floor(random() * last);
const either = () => random() < 0.5;
const integers = (size: number) => Float32Array.from({ length: size }, () => Math.floor(random() * 7) - 3);
const reals = (size: number) => Float32Array.from({ length: size }, () => random() * 2 - 1);
const SCALE = Number(process.env.FUZZ_SCALE ?? 1);
const times = (count: number) => Array.from({ length: count * SCALE }, (_, i) => i);

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i], 0);

type Given = Record<'x' | 'weights' | 'bias', Float32Array>;

function forward(spec: Spec, { x, weights, bias }: Given): Float32Array {
  const kernel = findKernel(spec, ['reference']);
  const y = new Float32Array(sizes(spec).y);
  const packed = weights.length > 0 ? kernel.pack(spec, weights) : weights;
  kernel.run(spec, operandsOf({ x, weights: packed, bias, y }));
  return y;
}

/**
 * How much Σ dy · y grows along a direction of one operand. A convolution is affine in each of its operands, so the difference
 * over a whole step is its derivative; on integers it is exact.
 */
function growth(spec: Spec, given: Given, role: keyof Given, direction: Float32Array, dy: Float32Array): number {
  const moved = { ...given, [role]: given[role].map((value, i) => value + direction[i]) };
  return dot(forward(spec, moved), dy) - dot(forward(spec, given), dy);
}

/** Compares the gradients by some operands with what Σ dy · y grows by. */
function expectGradients(
  spec: Spec,
  back: (given: Given, dy: Float32Array) => Partial<Given>,
  numbers = integers,
): void {
  const size = sizes(spec);
  const given = { x: numbers(size.x), weights: numbers(size.weights), bias: numbers(size.bias) };
  const dy = numbers(size.y);
  for (const [role, gradient] of Object.entries(back(given, dy)) as [keyof Given, Float32Array][]) {
    const direction = numbers(gradient.length);
    const expected = growth(spec, given, role, direction, dy);
    const got = dot(gradient, direction);
    const exact = numbers === integers;
    const bound = exact ? 0 : 1e-5 * Math.sqrt(dot(gradient, gradient) * dot(direction, direction) + size.y);
    if (!(Math.abs(got - expected) <= bound)) expect.fail(`${role}: ${got}, not ${expected}: ${JSON.stringify(spec)}`);
  }
}

const sums = (dy: Float32Array, channels: number) =>
  runTraining('js', { op: 'channel_sum', dtype: 'f32', pixels: dy.length / channels, channels }, { x: dy });

describe('gradients of affine operations are their differences', () => {
  it.each(times(60))('depthwise, %i', () => {
    const stride = either() ? 1 : 2;
    const spec = depthwise(from1to(12), from1to(12), from1to(11), stride, from1to(4), either(), { batch: from1to(3) });
    const { activation: _, ...all } = spec;
    expectGradients(spec, ({ x, weights }, dy) => ({
      x: runTraining('js', { ...all, op: 'depthwise3x3_dx', mask: 'none' }, { x: dy, weights }),
      weights: runTraining('js', { ...all, op: 'depthwise3x3_dw' }, { x, other: dy }),
      bias: sums(dy, spec.channels),
    }));
  });

  it.each(times(50))('3×3, %i', () => {
    const stride = either() ? 1 : 2;
    const spec = conv3x3(from1to(9), from1to(9), from1to(4), from1to(9), stride, either(), { batch: from1to(3) });
    const { activation: _, ...all } = spec;
    expectGradients(spec, ({ x, weights }, dy) => ({
      x: runTraining('js', { ...all, op: 'conv3x3_dx' }, { x: dy, weights }),
      weights: runTraining('js', { ...all, op: 'conv3x3_dw' }, { x, other: dy }),
      bias: sums(dy, spec.outChannels),
    }));
  });

  it.each(times(40))('1×1, %i', () => {
    const spec = pointwise(from1to(30), from1to(20), from1to(20));
    const { pixels, inChannels, outChannels } = spec;
    expectGradients(spec, ({ x }, dy) => ({
      weights: runTraining(
        'js',
        { op: 'pointwise_dw', dtype: 'f32', pixels, inChannels, outChannels },
        { x, other: dy },
      ),
      bias: sums(dy, outChannels),
    }));
  });

  it.each(times(30))('average pooling, %i', () => {
    const [kernelHeight, kernelWidth] = [from1to(5), from1to(5)];
    const [inHeight, inWidth] = [kernelHeight + from1to(4) - 1, kernelWidth + from1to(4) - 1];
    const all = {
      dtype: 'f32',
      batch: from1to(3),
      inHeight,
      inWidth,
      channels: from1to(6),
      kernelHeight,
      kernelWidth,
    } as const;
    expectGradients(
      { ...all, op: 'average_pool' },
      (_given, dy) => ({ x: runTraining('js', { ...all, op: 'average_pool_dx' }, { x: dy }) }),
      reals,
    );
  });

  it.each(times(40))('bilinear resize, %i', () => {
    const window = { inHeight: from1to(9), inWidth: from1to(9), outHeight: from1to(20), outWidth: from1to(20) };
    const all = { dtype: 'f32', batch: from1to(2), channels: from1to(5), ...window, alignCorners: either() } as const;
    expectGradients(
      { ...all, op: 'resize_bilinear' },
      (_given, dy) => ({ x: runTraining('js', { ...all, op: 'resize_bilinear_dx' }, { x: dy }) }),
      reals,
    );
  });
});

describe('derivatives of activation functions are their differences', () => {
  /** Where a function turns sharply: there a difference is the mean of two slopes. */
  const KINKS = [-3, 0, 3, 6, 10];

  it.each(ACTIVATION_NAMES)('%s', (named) => {
    const f = activationFunction(named);
    const all = Float32Array.from({ length: 400 }, () => (random() - 0.5) * [1, 4, 24, 200][from1to(4) - 1]);
    const x = all.filter((value) => KINKS.every((kink) => Math.abs(value - kink) > 1e-3));
    const spec: TrainingSpec = { op: 'activation_dx', dtype: 'f32', size: x.length, function: named };
    const slopes = runTraining('js', spec, { x, other: new Float32Array(x.length).fill(1) });
    for (const [i, value] of x.entries()) {
      const h = 1e-4;
      const difference = (f(value + h) - f(value - h)) / (2 * h);
      if (Math.abs(slopes[i] - difference) <= 2e-6 * Math.max(1, Math.abs(difference))) continue;
      expect.fail(`f′(${value}) is ${slopes[i]}, not ${difference}`);
    }
  });

  it.each(ACTIVATION_NAMES)('%s has a finite one everywhere', (named) => {
    const x = Float32Array.of(0, -0, 1e-45, -1e-45, 6, -3, 88, -88, 104, -104, 710, -710, 1e4, -1e4, 1e18, -1e18);
    const spec: TrainingSpec = { op: 'activation_dx', dtype: 'f32', size: x.length, function: named };
    const slopes = runTraining('js', spec, { x, other: new Float32Array(x.length).fill(1) });
    expect(slopes.every(Number.isFinite), `${[...slopes]}`).toBe(true);
  });
});

describe('batch norm over a batch', () => {
  /** Forward and back of one batch norm, with γ and β. */
  function norm(pixels: number, channels: number) {
    const all = { dtype: 'f32', pixels, channels, epsilon: 0.001 } as const;
    const moments = (x: Float32Array) => runTraining('js', { ...all, op: 'norm_moments' }, { x });
    return {
      /** In float64, as differences of rounded numbers would show nothing. */
      forward(x: Float64Array, gamma: Float32Array, beta: Float32Array): Float64Array {
        const y = new Float64Array(x.length);
        for (let c = 0; c < channels; c++) {
          let mean = 0;
          for (let p = 0; p < pixels; p++) mean += x[p * channels + c] / pixels;
          let variance = 0;
          for (let p = 0; p < pixels; p++) variance += (x[p * channels + c] - mean) ** 2 / pixels;
          const scale = gamma[c] / Math.sqrt(variance + all.epsilon);
          for (let p = 0; p < pixels; p++) y[p * channels + c] = (x[p * channels + c] - mean) * scale + beta[c];
        }
        return y;
      },
      kernels(x: Float32Array, gamma: Float32Array, beta: Float32Array): Float32Array {
        const scales = runTraining('js', { ...all, op: 'norm_scale' }, { x: moments(x), weights: gamma, bias: beta });
        return runTraining('js', { ...all, op: 'scale_shift', activation: 'none' }, { x, weights: scales });
      },
      back(x: Float32Array, gamma: Float32Array, dy: Float32Array): Float32Array {
        const back = runTraining('js', { ...all, op: 'norm_sums' }, { x, other: dy, weights: moments(x) });
        const weights = { x: moments(x), other: back, weights: gamma };
        const three = runTraining('js', { ...all, op: 'norm_dx_weights' }, weights);
        return runTraining('js', { ...all, op: 'norm_dx' }, { x, other: dy, weights: three });
      },
    };
  }

  it.each(times(30))('forward and back, %i', () => {
    const [pixels, channels] = [1 + from1to(30), from1to(9)];
    const { forward, kernels, back } = norm(pixels, channels);
    const mean = random() * 10 - 5;
    const x = reals(pixels * channels).map((value) => value + mean);
    const [gamma, beta, dy, direction] = [reals(channels), reals(channels), reals(x.length), reals(x.length)];
    const y = forward(Float64Array.from(x), gamma, beta);
    for (const [i, value] of kernels(x, gamma, beta).entries()) expect(Math.abs(value - y[i])).toBeLessThan(1e-5);

    const h = 1e-5;
    const along = (sign: number) =>
      forward(
        Float64Array.from(x, (value, i) => value + sign * h * direction[i]),
        gamma,
        beta,
      );
    const [more, less] = [along(1), along(-1)];
    const difference = dy.reduce((sum, value, i) => sum + (value * (more[i] - less[i])) / (2 * h), 0);
    const dx = back(x, gamma, dy);
    expect(Math.abs(dot(dx, direction) - difference)).toBeLessThan(1e-5 * (1 + Math.sqrt(dot(dx, dx)) * x.length));
  });

  it('keeps a deviation that is small beside the mean', () => {
    const x = Float32Array.from({ length: 64 }, (_, i) => 1000 + (i % 2) / 8);
    const moments = runTraining('js', { op: 'norm_moments', dtype: 'f32', pixels: 64, channels: 1 }, { x });
    expect([...moments]).toEqual([1000.0625, 1 / 256]);
  });
});

describe('a folded batch norm', () => {
  it.each(times(20))('gives its gradients from those of the folded weights, %i', () => {
    const [channels, perChannel, epsilon] = [from1to(6), from1to(9), 0.001];
    const [w, folded, foldedBias] = [reals(channels * perChannel), reals(channels * perChannel), reals(channels)];
    const gamma = reals(channels);
    const moments = Float32Array.of(...reals(channels), ...reals(channels).map((value) => Math.abs(value) + 0.1));
    // What Σ dW′·W′ + Σ db′·b′ is of weights and gammas, which it is linear in.
    const total = (weights: Float32Array, gammas: Float32Array) => {
      let sum = 0;
      for (let k = 0; k < channels; k++) {
        const scale = gammas[k] / Math.sqrt(moments[channels + k] + epsilon);
        for (let i = k * perChannel; i < (k + 1) * perChannel; i++) sum += folded[i] * weights[i] * scale;
        sum -= foldedBias[k] * moments[k] * scale;
      }
      return sum;
    };
    const all = { dtype: 'f32', channels, perChannel, epsilon } as const;
    const dW = runTraining('js', { ...all, op: 'fold_dw' }, { x: folded, weights: gamma, other: moments });
    const given = { x: folded, weights: w, bias: foldedBias, other: moments };
    const dGamma = runTraining('js', { ...all, op: 'fold_dgamma' }, given);
    const [alongW, alongGamma] = [reals(w.length), reals(channels)];
    const moved = (a: Float32Array, b: Float32Array) => a.map((value, i) => value + b[i]);
    const bound = 1e-5 * w.length;
    expect(Math.abs(dot(dW, alongW) - total(moved(w, alongW), gamma) + total(w, gamma))).toBeLessThan(bound);
    expect(Math.abs(dot(dGamma, alongGamma) - total(w, moved(gamma, alongGamma)) + total(w, gamma))).toBeLessThan(
      bound,
    );
  });
});
