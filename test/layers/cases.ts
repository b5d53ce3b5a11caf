/**
 * The cases that every kernel must get right, and how a kernel is compared with the reference. Nothing here knows an
 * engine: whoever adds one runs it over CASES.
 */
import type { Operands as AllOperands } from '../../src/layers/kernel.js';
import { findKernel } from '../../src/layers/kernels.js';
import type { Conv3x3Spec, DepthwiseSpec, FusedActivation, PointwiseSpec, Spec } from '../../src/layers/spec.js';
import { randomNumbers } from '../helpers/random.js';
import { guarded } from './guarded.js';

/** What a kernel reads. */
export type Operands = Omit<AllOperands<Float32Array>, 'y'>;

export type Convolution = Conv3x3Spec | DepthwiseSpec | PointwiseSpec;

/** Runs a kernel on unpacked operands and gives y: what an engine brings to `compare`. */
export type Run = (spec: Spec, operands: Operands, y: Float32Array) => void;

/** Elements of every operand and of y. */
export function sizes(spec: Spec): Record<keyof Operands | 'y', number> {
  const none = { x: 0, weights: 0, bias: 0, residual: 0, other: 0, y: 0 };
  switch (spec.op) {
    case 'conv3x3': {
      const { batch: N, inChannels: C, outChannels: K } = spec;
      const y = N * spec.outHeight * spec.outWidth * K;
      return { ...none, x: N * C * spec.inHeight * spec.inWidth, weights: K * C * 9, bias: K, y };
    }
    case 'depthwise3x3': {
      const { batch: N, channels: C } = spec;
      const y = N * spec.outHeight * spec.outWidth * C;
      return { ...none, x: N * spec.inHeight * spec.inWidth * C, weights: C * 9, bias: C, y };
    }
    case 'pointwise': {
      const { batch: N, pixels: P, inChannels: C, outChannels: K } = spec;
      const y = N * P * K;
      const bias = spec.biasPerImage ? N * K : K;
      return { ...none, x: N * P * C, weights: K * C, bias, residual: spec.residual ? y : 0, y };
    }
    case 'average_pool': {
      const { batch: N, inHeight: H, inWidth: W, channels: C } = spec;
      return { ...none, x: N * H * W * C, y: N * (H - spec.kernelHeight + 1) * (W - spec.kernelWidth + 1) * C };
    }
    case 'resize_bilinear': {
      const { batch: N, channels: C } = spec;
      return { ...none, x: N * spec.inHeight * spec.inWidth * C, y: N * spec.outHeight * spec.outWidth * C };
    }
    case 'add':
      return { ...none, x: spec.size, other: spec.size, y: spec.size };
    case 'concat': {
      const { pixels: P, channels1, channels2 } = spec;
      return { ...none, x: P * channels1, other: P * channels2, y: P * (channels1 + channels2) };
    }
    case 'batch_norm':
      return { ...none, x: spec.pixels * spec.channels, weights: 4 * spec.channels, y: spec.pixels * spec.channels };
    case 'activation':
      return { ...none, x: spec.size, y: spec.size };
  }
}

/**
 * What operands are: `integers` from −3 to 3, or `whole` numbers from −100 to 100, whose sums are exact in float32; `reals`
 * in [−1, 1); neighbours of one size and of opposite signs that are `cancelling` up to the last bits; and the same with
 * some that are not finite, `wild`.
 */
export type Kind = 'integers' | 'whole' | 'reals' | 'cancelling' | 'wild';

/** How each operand is made of random numbers, element by element. */
function makers(kind: Kind, random: () => number): Record<'x' | 'weights' | 'rest', (i: number) => number> {
  if (kind === 'cancelling' || kind === 'wild') {
    const magnitude = 10 ** (random() * 6 - 3);
    return {
      x: (i) => (i % 2 === 0 ? 1 : -1) * magnitude * (1 + random() * 1e-6),
      weights: () => 1 + random() * 1e-6,
      rest: () => random() - 0.5,
    };
  }
  const all = {
    integers: () => Math.floor(random() * 7) - 3,
    whole: () => Math.floor(random() * 201) - 100,
    reals: () => random() * 2 - 1,
  }[kind];
  return { x: all, weights: all, rest: all };
}

/** Operands of a kind. The variances of a batch norm are positive. Each starts four bytes into its buffer, where no vector is aligned. */
export function operands(spec: Spec, kind: Kind, seed = 1): Operands {
  const random = randomNumbers(seed);
  const make = makers(kind, random);
  const fill = (size: number, of: (i: number) => number) => {
    const values = new Float32Array(size + 1).subarray(1);
    for (let i = 0; i < size; i++) values[i] = of(i);
    return values;
  };
  const size = sizes(spec);
  const [x, weights, bias] = [fill(size.x, make.x), fill(size.weights, make.weights), fill(size.bias, make.rest)];
  const made = { x, weights, bias, residual: fill(size.residual, make.rest), other: fill(size.other, make.x) };
  if (spec.op === 'batch_norm') {
    for (let i = 3 * spec.channels; i < 4 * spec.channels; i++) made.weights[i] = Math.abs(made.weights[i]) + 1;
  }
  if (kind === 'wild') {
    const values = [Number.NaN, Infinity, -Infinity];
    for (const operand of [made.x, made.bias, made.residual]) {
      if (operand.length > 0) operand[Math.floor(random() * operand.length)] = values[Math.floor(random() * 3)];
    }
  }
  return made;
}

/** What the reference makes of them. */
export function expected(spec: Spec, given: Operands): Float32Array {
  const y = new Float32Array(sizes(spec).y);
  findKernel(spec, ['reference']).run(spec, { ...given, y });
  return y;
}

const SENTINEL = 12345.5;

/** Runs with values around y that must survive, operands that must stay, and a y of which nothing may be left. */
export function runGuarded(run: Run, spec: Spec, given: Operands): Float32Array {
  return guarded(sizes(spec).y, SENTINEL, { ArrayType: Float32Array, spec, given }, (y) => run(spec, given, y));
}

/** Terms that are summed for one output, bias and residual included. */
function terms(spec: Spec): number {
  if (spec.op === 'conv3x3') return 9 * spec.inChannels + 1;
  if (spec.op === 'depthwise3x3') return 10;
  return spec.op === 'pointwise' ? spec.inChannels + 2 : 1;
}

/**
 * Throws unless the run agrees with the reference: bit for bit on integers (but for the sign of a zero), and on reals to
 * |Δ| ≤ 2·K·2⁻²⁴·Σ|aᵢbᵢ| + 1e-6, K the number of terms.
 */
export function compare(run: Run, spec: Spec): void {
  const whole = operands(spec, 'integers');
  const exact = expected(spec, whole);
  const got = runGuarded(run, spec, whole);
  for (let i = 0; i < got.length; i++) {
    if (got[i] !== exact[i]) throw new Error(`y[${i}] is ${got[i]}, not ${exact[i]}: ${JSON.stringify(spec)}`);
  }

  const reals = operands(spec, 'reals', 2);
  const wanted = expected(spec, reals);
  const absolute = (values: Float32Array) => values.map(Math.abs);
  const magnitudes = expected('activation' in spec ? { ...spec, activation: 'none' } : spec, {
    x: absolute(reals.x),
    weights: absolute(reals.weights),
    bias: absolute(reals.bias),
    residual: absolute(reals.residual),
    other: absolute(reals.other),
  });
  const close = runGuarded(run, spec, reals);
  for (let i = 0; i < close.length; i++) {
    const bound = 2 * terms(spec) * 2 ** -24 * Math.abs(magnitudes[i]) + 1e-6;
    if (!(Math.abs(close[i] - wanted[i]) <= bound)) {
      throw new Error(`y[${i}] is ${close[i]}, not ${wanted[i]} ± ${bound}: ${JSON.stringify(spec)}`);
    }
  }
}

export const ACTIVATIONS: readonly FusedActivation[] = ['none', 'relu', 'relu6'];

export function pointwise(pixels: number, inChannels: number, outChannels: number, more: Partial<PointwiseSpec> = {}) {
  const spec: PointwiseSpec = {
    op: 'pointwise',
    dtype: 'f32',
    batch: 1,
    pixels,
    inChannels,
    outChannels,
    biasPerImage: false,
    residual: false,
    activation: 'none',
  };
  return { ...spec, ...more };
}

/** PyTorch's padding, (k − 1) / 2 · dilation on all sides, or TensorFlow's SAME, which puts the odd one after. */
function padded(size: number, stride: 1 | 2, dilation: number, same: boolean): { out: number; before: number } {
  const out = Math.ceil(size / stride);
  if (!same) return { out: Math.floor((size - 1) / stride) + 1, before: dilation };
  return { out, before: Math.max(0, Math.floor(((out - 1) * stride + 2 * dilation + 1 - size) / 2)) };
}

export function depthwise(
  inHeight: number,
  inWidth: number,
  channels: number,
  stride: 1 | 2,
  dilation = 1,
  same = false,
  more: Partial<DepthwiseSpec> = {},
) {
  const rows = padded(inHeight, stride, dilation, same);
  const columns = padded(inWidth, stride, dilation, same);
  const spec: DepthwiseSpec = {
    op: 'depthwise3x3',
    dtype: 'f32',
    batch: 1,
    inHeight,
    inWidth,
    channels,
    outHeight: rows.out,
    outWidth: columns.out,
    stride,
    dilation,
    padTop: rows.before,
    padLeft: columns.before,
    activation: 'none',
  };
  return { ...spec, ...more };
}

export function conv3x3(
  inHeight: number,
  inWidth: number,
  inChannels: number,
  outChannels: number,
  stride: 1 | 2,
  same = false,
  more: Partial<Conv3x3Spec> = {},
) {
  const rows = padded(inHeight, stride, 1, same);
  const columns = padded(inWidth, stride, 1, same);
  const spec: Conv3x3Spec = {
    op: 'conv3x3',
    dtype: 'f32',
    batch: 1,
    inHeight,
    inWidth,
    inChannels,
    outHeight: rows.out,
    outWidth: columns.out,
    outChannels,
    stride,
    padTop: rows.before,
    padLeft: columns.before,
    activation: 'none',
  };
  return { ...spec, ...more };
}

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

/** Heights and the width that goes with each: odd and even, and never the same in one case. */
const HEIGHTS = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 32, 33];
const widthFor = (height: number, i: number) => [height + 1, Math.max(1, height - 1), 2 * height + 1, 1][i % 4];

/** Every residue around every tile that an engine has: at most 4 pixels and 16 channels at a time so far. */
export const POINTWISE: readonly PointwiseSpec[] = [
  ...upTo(9).flatMap((P) => upTo(9).flatMap((C) => [1, 2, 3, 4, 5].map((K) => pointwise(P, C, K)))),
  ...upTo(33).flatMap((K) => [1, 2, 3, 5].map((P, i) => pointwise(P, 3 + i, K, { activation: ACTIVATIONS[i % 3] }))),
  ...ACTIVATIONS.flatMap((activation) =>
    [1, 2, 3].flatMap((batch) =>
      [false, true].flatMap((residual) =>
        [false, true].flatMap((biasPerImage) =>
          [1, 2, 7].map((P) => pointwise(P, 5, 9, { batch, residual, biasPerImage, activation })),
        ),
      ),
    ),
  ),
  // Around blocks of pixels, and more channels than most.
  ...[191, 192, 193, 385].map((P) => pointwise(P, 4, 6, { activation: 'relu6' })),
  ...[1, 2, 4, 7].map((P) => pointwise(P, 5000, 3)),
  pointwise(1, 1280, 1001),
  pointwise(49, 160, 64, { residual: true }),
];

export const DEPTHWISE: readonly DepthwiseSpec[] = [
  ...([1, 2] as const).flatMap((stride) =>
    [1, 2, 4, 3].flatMap((dilation) =>
      [false, true].flatMap((same) =>
        HEIGHTS.flatMap((H, i) =>
          [i, i + 1].map((w) => depthwise(H, widthFor(H, w), 3, stride, dilation, same, { activation: 'relu6' })),
        ),
      ),
    ),
  ),
  ...upTo(33).flatMap((C, i) =>
    ([1, 2] as const).map((stride) =>
      depthwise(5, 8, C, stride, 1 + (i % 2), false, { activation: ACTIVATIONS[i % 3], batch: 1 + (i % 2) }),
    ),
  ),
  // Rows too wide to be done in one piece, with the last piece a single pixel.
  depthwise(3, 29, 2048, 1),
  depthwise(3, 29, 2048, 2),
  depthwise(6, 13, 3640, 1, 4),
];

export const CONV3X3: readonly Conv3x3Spec[] = [
  ...([1, 2] as const).flatMap((stride) =>
    [false, true].flatMap((same) =>
      HEIGHTS.flatMap((H, i) => [i, i + 1].map((w) => conv3x3(H, widthFor(H, w), 3, 4, stride, same))),
    ),
  ),
  ...upTo(33).flatMap((K, i) =>
    ([1, 2] as const).map((stride) =>
      conv3x3(5, 8, 1 + (i % 4), K, stride, i % 2 === 0, { activation: ACTIVATIONS[i % 3], batch: 1 + (i % 2) }),
    ),
  ),
];

/** Every remainder of every dimension around the largest tile there is: 16 channels, 12 pixels, sums in fours. */
export const REMAINDERS: readonly Convolution[] = [
  ...upTo(33).flatMap((K) => upTo(13).flatMap((P) => [1, 2, 3, 4, 5, 8, 9].map((C) => pointwise(P, C, K)))),
  ...upTo(33).flatMap((size) =>
    ([1, 2] as const).flatMap((stride) => [
      depthwise(size, 34 - size, 5, stride),
      depthwise(3, size, 8, stride, 1, true),
    ]),
  ),
  ...upTo(33).flatMap((C) => ([1, 2] as const).map((stride) => depthwise(4, 5, C, stride))),
  ...upTo(33).flatMap((K) =>
    ([1, 2] as const).flatMap((stride) => [conv3x3(5, 6, 3, K, stride), conv3x3(6, 3, 1, K, stride, true)]),
  ),
  ...upTo(33).map((size) => conv3x3(size, 34 - size, 3, 8, 2, true)),
].map((spec, i) => ({ ...spec, activation: ACTIVATIONS[i % 3] }));

/** The operations that are not convolutions, sizes unequal in every dimension. */
export const OTHERS: readonly Spec[] = [
  { op: 'average_pool', dtype: 'f32', batch: 2, inHeight: 5, inWidth: 7, channels: 3, kernelHeight: 5, kernelWidth: 7 },
  {
    op: 'average_pool',
    dtype: 'f32',
    batch: 1,
    inHeight: 8,
    inWidth: 9,
    channels: 17,
    kernelHeight: 7,
    kernelWidth: 7,
  },
  {
    op: 'resize_bilinear',
    dtype: 'f32',
    batch: 2,
    inHeight: 3,
    inWidth: 4,
    channels: 5,
    outHeight: 7,
    outWidth: 9,
    alignCorners: true,
  },
  {
    op: 'resize_bilinear',
    dtype: 'f32',
    batch: 2,
    inHeight: 9,
    inWidth: 8,
    channels: 1,
    outHeight: 4,
    outWidth: 3,
    alignCorners: false,
  },
  { op: 'add', dtype: 'f32', size: 37 },
  { op: 'concat', dtype: 'f32', pixels: 6, channels1: 3, channels2: 5 },
  { op: 'batch_norm', dtype: 'f32', pixels: 6, channels: 5, epsilon: 0.001 },
  { op: 'activation', dtype: 'f32', size: 37, function: 'hardswish' },
];
