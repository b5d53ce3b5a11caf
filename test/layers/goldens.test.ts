/** Every kernel, the reference first of all, against PyTorch. The recipe is ../goldens/layers/make.py. */
import { describe, expect, it } from 'vitest';
import { ACTIVATION_NAMES, activationFunction } from '../../src/layers/activation/plain.js';
import { foldFactors } from '../../src/layers/batch-norm/fold.js';
import { invertedResidual } from '../../src/layers/inverted-residual.js';
import { type Kernel, NONE, operandsOf, scaled } from '../../src/layers/kernel.js';
import { findKernel } from '../../src/layers/kernels.js';
import { kernelName, type Spec } from '../../src/layers/spec.js';
import { nchwToNhwc } from '../../src/tensor/shape.js';
import { float32Golden, readGoldens } from '../helpers/goldens.js';
import { sizes } from './cases.js';

const goldens = readGoldens(new URL('../goldens/layers/layers.safetensors', import.meta.url));
const golden = (name: string) => float32Golden(goldens, name);
const dims = (name: string) => goldens.get(name)!.dims as [number, number, number, number];

/** A golden picture [N,C,H,W] as [N,H,W,C]. */
function nhwc(name: string): Float32Array {
  const y = new Float32Array(golden(name).length);
  nchwToNhwc(golden(name), y, ...dims(name));
  return y;
}

/** Equal but for float32's last places. */
function expectClose(got: Float32Array, wanted: Float32Array, tolerance = 2 ** -22): void {
  expect(got.length).toBe(wanted.length);
  for (let i = 0; i < got.length; i++) {
    const bound = tolerance * Math.max(1, Math.abs(wanted[i]));
    if (!(Math.abs(got[i] - wanted[i]) <= bound)) expect.fail(`[${i}] is ${got[i]}, not ${wanted[i]}`);
  }
}

function run(
  engine: Kernel['engine'],
  spec: Spec,
  x: Float32Array,
  w: Float32Array = NONE,
  bias: Float32Array = NONE,
  residual: Float32Array = NONE,
): Float32Array {
  const kernel = findKernel(spec, [engine]);
  const y = new Float32Array(sizes(spec).y);
  const weights = w.length > 0 ? kernel.pack(spec, w) : w;
  kernel.run(spec, operandsOf({ x, weights, bias, residual, y }));
  return y;
}

const named = (prefix: string) => [...goldens.keys()].filter((key) => key.startsWith(prefix) && key.endsWith('.y'));
const ENGINES: readonly Kernel['engine'][] = ['reference', 'js'];

describe.each(ENGINES)('%s against PyTorch', (engine) => {
  for (const key of named('conv3x3_')) {
    const name = key.slice(0, -2);
    const [batch, inChannels, inHeight, inWidth] = dims(`${name}.x`);
    const [, outChannels, outHeight, outWidth] = dims(key);
    const pad = name.includes('same') ? 0 : 1;
    const spec: Spec = {
      op: 'conv3x3',
      dtype: 'f32',
      batch,
      inHeight,
      inWidth,
      inChannels,
      outHeight,
      outWidth,
      outChannels,
      stride: name.includes('s2') ? 2 : 1,
      padTop: pad,
      padLeft: pad,
      activation: 'none',
    };
    it(`${kernelName(spec, engine)}: ${name}`, () => {
      expectClose(run(engine, spec, golden(`${name}.x`), golden(`${name}.w`), golden(`${name}.bias`)), nhwc(key));
    });
  }

  for (const key of named('depthwise3x3_')) {
    const name = key.slice(0, -2);
    const [, stride, dilation] = /_s(\d)_d(\d)_/.exec(name)!.map(Number);
    const [batch, channels, inHeight, inWidth] = dims(`${name}.x`);
    const [, , outHeight, outWidth] = dims(key);
    const spec: Spec = {
      op: 'depthwise3x3',
      dtype: 'f32',
      batch,
      inHeight,
      inWidth,
      channels,
      outHeight,
      outWidth,
      stride: stride as 1 | 2,
      dilation,
      padTop: dilation,
      padLeft: dilation,
      activation: 'none',
    };
    it(`${kernelName(spec, engine)}: ${name}`, () => {
      expectClose(run(engine, spec, nhwc(`${name}.x`), golden(`${name}.w`), golden(`${name}.bias`)), nhwc(key));
    });
  }

  const pointwise: Spec = {
    op: 'pointwise',
    dtype: 'f32',
    batch: 2,
    pixels: 15,
    inChannels: 6,
    outChannels: 7,
    biasPerImage: false,
    residual: true,
    activation: 'relu6',
  };
  it(kernelName(pointwise, engine), () => {
    const residual = nhwc('pointwise.residual');
    const y = run(engine, pointwise, nhwc('pointwise.x'), golden('pointwise.w'), golden('pointwise.bias'), residual);
    expectClose(y, nhwc('pointwise.y'));
  });

  for (const key of named('average_pool_')) {
    const name = key.slice(0, -2);
    const [batch, channels, inHeight, inWidth] = dims(`${name}.x`);
    const [kernelHeight, kernelWidth] = name.slice('average_pool_'.length).split('x').map(Number);
    const spec: Spec = {
      op: 'average_pool',
      dtype: 'f32',
      batch,
      inHeight,
      inWidth,
      channels,
      kernelHeight,
      kernelWidth,
    };
    it(`${kernelName(spec, engine)}: ${name}`, () => {
      expectClose(run(engine, spec, nhwc(`${name}.x`)), nhwc(key));
    });
  }

  for (const key of named('resize_')) {
    const name = key.slice(0, -2);
    const [batch, channels, inHeight, inWidth] = dims(`${name}.x`);
    const [, , outHeight, outWidth] = dims(key);
    const alignCorners = name.endsWith('corners');
    const size = { batch, inHeight, inWidth, channels, outHeight, outWidth };
    const spec: Spec = { op: 'resize_bilinear', dtype: 'f32', ...size, alignCorners };
    it(`${kernelName(spec, engine)}: ${name}`, () => {
      // PyTorch rounds weights and sums to float32, and so differs in the last places.
      expectClose(run(engine, spec, nhwc(`${name}.x`)), nhwc(key), 2 ** -20);
    });
  }

  const norm: Spec = { op: 'batch_norm', dtype: 'f32', pixels: 60, channels: 6, epsilon: 0.001 };
  it(kernelName(norm, engine), () => {
    const parts = ['gamma', 'beta', 'mean', 'variance'].map((part) => golden(`conv_batch_norm.${part}`));
    const weights = Float32Array.from(parts.flatMap((part) => [...part]));
    expectClose(run(engine, norm, nhwc('conv_batch_norm.convolved'), weights), nhwc('conv_batch_norm.y'), 2 ** -20);
  });

  it.each(ACTIVATION_NAMES)(`activation_f32_%s__${engine}`, (name) => {
    const x = golden('activation.x');
    expectClose(
      run(engine, { op: 'activation', dtype: 'f32', size: x.length, function: name }, x),
      golden(`activation.${name}`),
    );
  });
});

describe('activations', () => {
  it('are those of transformers, but for the two with parameters', () => {
    const known = [...goldens.keys()].filter((key) => key.startsWith('activation.') && key !== 'activation.x');
    expect(known.map((key) => key.slice('activation.'.length)).sort()).toEqual([...ACTIVATION_NAMES].sort());
  });

  it('keep NaN', () => {
    for (const name of ACTIVATION_NAMES) expect(activationFunction(name)(Number.NaN), name).toBeNaN();
  });

  it('may write where they read', () => {
    const x = Float32Array.of(-1, 0, 2, 7);
    const spec: Spec = { op: 'activation', dtype: 'f32', size: 4, function: 'relu6' };
    findKernel(spec, ['js']).run(spec, operandsOf({ x, y: x }));
    expect([...x]).toEqual([0, 0, 2, 6]);
  });

  it.each(['prelu', 'xielu', 'no such', 'constructor'])('%s is refused with the list', (name) => {
    expect(() => activationFunction(name)).toThrowError(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        message: expect.stringMatching(/expected one of gelu, .*, tanh$/),
      }),
    );
  });
});

describe('batch norm folding', () => {
  const part = (name: string) => golden(`conv_batch_norm.${name}`);
  const norm = {
    gamma: part('gamma'),
    beta: part('beta'),
    mean: part('mean'),
    variance: part('variance'),
    epsilon: 0.001,
  };

  it('convolution and batch norm are the folded convolution', () => {
    const { scale, bias } = foldFactors(norm);
    const weights = scaled(part('w'), scale);
    const size = { batch: 2, inHeight: 5, inWidth: 6, inChannels: 4, outHeight: 5, outWidth: 6, outChannels: 6 };
    const spec: Spec = { op: 'conv3x3', dtype: 'f32', ...size, stride: 1, padTop: 1, padLeft: 1, activation: 'none' };
    expectClose(run('reference', spec, part('x'), weights, bias), nhwc('conv_batch_norm.y'), 2 ** -19);
  });

  it('so are a depthwise convolution and its batch norm', () => {
    const { scale, bias } = foldFactors(norm);
    const weights = scaled(golden('depthwise_batch_norm.w'), scale);
    const size = { batch: 2, inHeight: 5, inWidth: 4, channels: 6, outHeight: 5, outWidth: 4 };
    const spec: Spec = {
      op: 'depthwise3x3',
      dtype: 'f32',
      ...size,
      stride: 1,
      dilation: 1,
      padTop: 1,
      padLeft: 1,
      activation: 'none',
    };
    const y = run('reference', spec, nhwc('depthwise_batch_norm.x'), weights, bias);
    expectClose(y, nhwc('depthwise_batch_norm.y'), 2 ** -19);
  });

  it("takes the convolution's own bias along", () => {
    const { scale, bias } = foldFactors({
      gamma: Float32Array.of(3),
      beta: Float32Array.of(1),
      bias: Float32Array.of(5),
      mean: Float32Array.of(1),
      variance: Float32Array.of(3),
      epsilon: 1,
    });
    expect([...scale]).toEqual([1.5]); // 3 / √(3 + 1)
    expect([...scaled(Float32Array.of(2, 4), scale)]).toEqual([3, 6]);
    expect([...bias]).toEqual([7]); // (5 − 1) · 1.5 + 1
  });
});

describe('the inverted residual block', () => {
  it('is that of PyTorch', () => {
    const part = (name: string) => golden(`inverted_residual.${name}`);
    const y = invertedResidual(
      {
        batch: 2,
        height: 6,
        width: 5,
        inChannels: 4,
        expandedChannels: 12,
        outChannels: 4,
        outHeight: 6,
        outWidth: 5,
        stride: 1,
        dilation: 1,
        padTop: 1,
        padLeft: 1,
        activation: 'relu6',
        residual: true,
        expand: { weights: part('expand_w'), bias: part('expand_bias') },
        depthwise: { weights: part('depthwise_w'), bias: part('depthwise_bias') },
        project: { weights: part('project_w'), bias: part('project_bias') },
      },
      nhwc('inverted_residual.x'),
    );
    // Intermediate results are rounded to float32 here and were not there.
    expectClose(y, nhwc('inverted_residual.y'), 2 ** -19);
  });
});
