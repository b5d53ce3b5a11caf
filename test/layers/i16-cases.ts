/**
 * The cases that every kernel of whole numbers must get right. There is no tolerance: what engines compute must be equal.
 * Nothing here knows an engine.
 */
import type { I16Operands } from '../../src/layers/kernel-i16.js';
import { findI16Kernel } from '../../src/layers/kernels-i16.js';
import type {
  Conv3x3I16Spec,
  DepthwiseI16Spec,
  I16Spec,
  PointwiseI16Spec,
  QuantizeI16Spec,
  SumsSpec,
} from '../../src/layers/spec.js';
import { randomNumbers } from '../helpers/random.js';
import { conv3x3, depthwise, pointwise } from './cases.js';
import { guarded } from './guarded.js';

/** What a kernel reads; `quantize` alone real numbers. */
export type I16Given = Omit<I16Operands, 'x' | 'y'> & { x: Int16Array | Float32Array };

/** What a kernel writes; `sums` alone i32. */
export type I16Made = Int16Array | Int32Array;
export const madeBy = (spec: I16Spec): I16Made => new (spec.op === 'sums' ? Int32Array : Int16Array)(sizesI16(spec).y);

/** Runs a kernel on unpacked operands and gives y. */
export type I16Run = (spec: I16Spec, given: I16Given, y: I16Made) => void;

export type ConvolutionI16 = Conv3x3I16Spec | DepthwiseI16Spec | PointwiseI16Spec;
const isConvolution = (spec: I16Spec): spec is ConvolutionI16 | SumsSpec => 'weights' in spec;

/** Elements of every operand and of y. */
export function sizesI16(spec: I16Spec): Record<keyof I16Operands, number> {
  const none = { x: 0, weights: 0, bias: 0, multiplier: 0, other: 0, y: 0 };
  switch (spec.op) {
    case 'conv3x3': {
      const { batch: N, inChannels: C, outChannels: K } = spec;
      const y = N * spec.outHeight * spec.outWidth * K;
      return { ...none, x: N * spec.inHeight * spec.inWidth * C, weights: K * C * 9, bias: K, multiplier: K, y };
    }
    case 'depthwise3x3': {
      const { batch: N, channels: C } = spec;
      const y = N * spec.outHeight * spec.outWidth * C;
      return { ...none, x: N * spec.inHeight * spec.inWidth * C, weights: C * 9, bias: C, multiplier: C, y };
    }
    case 'pointwise': {
      const { batch: N, pixels: P, inChannels: C, outChannels: K } = spec;
      const bias = spec.biasPerImage ? N * K : K;
      return { ...none, x: N * P * C, weights: K * C, bias, multiplier: K, y: N * P * K };
    }
    case 'sums': {
      const { batch: N, inChannels: C, outChannels: K } = spec;
      return { ...none, x: N * C, weights: K * C, bias: K, y: N * K };
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
    case 'quantize': {
      const size = spec.batch * spec.channels * spec.pixels;
      return { ...none, x: size, y: size };
    }
    case 'requantize':
      return { ...none, x: spec.size, y: spec.size };
    case 'argmax':
      return { ...none, x: spec.pixels * spec.channels, y: spec.pixels };
  }
}

/**
 * What operands of a convolution are: `usual` numbers at random; `extreme` ones, all at the ends of their types, so that sums
 * are as large as they get; or small ones with multipliers that are powers of two, whose products are often `ties`.
 */
export type I16Kind = 'usual' | 'extreme' | 'ties';
export const I16_KINDS: readonly I16Kind[] = ['usual', 'extreme', 'ties'];

/** Numbers of a sum, without the bias. */
const taps = (spec: ConvolutionI16 | SumsSpec): number =>
  spec.op === 'depthwise3x3' ? 9 : spec.inChannels * (spec.op === 'conv3x3' ? 9 : 1);

/** Biases of dead channels are as large. */
const LARGEST_BIAS = 3e8;

/** Operands of a kind. A compiler sees to it that no sum leaves i32, so none does here. */
export function operandsI16(spec: I16Spec, kind: I16Kind, seed = 1): I16Given {
  const random = randomNumbers(seed);
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const end = (most: number) => (random() < 0.5 ? -most : most);
  const size = sizesI16(spec);
  const empty = { weights: new Int8Array(0), bias: new Int32Array(0), multiplier: new Float32Array(0) };
  if (spec.op === 'quantize') {
    return {
      ...empty,
      x: Float32Array.from({ length: size.x }, () => pixel(spec, kind, random)),
      other: new Int16Array(0),
    };
  }
  const mostX = 'min' in spec ? 127 : 255;
  const mostWeight = !isConvolution(spec) ? 0 : spec.weights === 'i8' ? 127 : 2047;
  // 12 bits from a zero point at one end reach twice as far.
  const widest = isConvolution(spec)
    ? Math.min(4095, Math.floor((2 ** 31 - 1.1 * LARGEST_BIAS) / (taps(spec) * mostWeight)))
    : mostX;
  const makeX = { usual: () => between(-mostX, mostX), extreme: () => end(widest), ties: () => between(-9, 9) }[kind];
  const makeWeight = {
    usual: () => between(-mostWeight, mostWeight),
    extreme: () => end(mostWeight),
    ties: () => between(-3, 3),
  }[kind];
  const length = { length: size.weights };
  const weights = mostWeight > 127 ? Int16Array.from(length, makeWeight) : Int8Array.from(length, makeWeight);
  const x = Int16Array.from({ length: size.x }, makeX);
  const other = Int16Array.from({ length: size.other }, makeX);
  const bias = Int32Array.from({ length: size.bias }, () => {
    if (kind === 'extreme') return end(random() < 0.5 ? LARGEST_BIAS : between(0, 20000));
    return kind === 'ties' ? between(-20, 20) : between(-20000, 20000);
  });
  const deviation = isConvolution(spec) ? mostX * mostWeight * 0.33 * Math.sqrt(taps(spec)) : 1;
  const multiplier = Float32Array.from({ length: size.multiplier }, () => {
    if (kind === 'ties') return 2 ** -between(1, 4);
    if (kind === 'usual') return ((0.5 + random()) * 100) / deviation;
    return [1e-6, 1e-3, 1, 1000, 100 / deviation][between(0, 4)]; // of a dead channel, and out of all bounds
  });
  return { x, weights, bias, multiplier, other };
}

/** Pixels that come out at and around whole numbers and halves of them; of the extreme ones some are no numbers. */
function pixel({ multiplier }: QuantizeI16Spec, kind: I16Kind, random: () => number): number {
  if (kind === 'usual') return random() * 4 - 2;
  if (kind === 'ties') return (Math.floor(random() * 600) - 300) / 2 / multiplier;
  const values = [Number.NaN, Infinity, -Infinity, 3e38, -3e38, 1e7, -1e7, 2 ** 23, -(2 ** 24), 0, -0, 1e-40];
  return values[Math.floor(random() * values.length)];
}

/** What the reference makes of them. */
export function expectedI16(spec: I16Spec, given: I16Given): I16Made {
  const y = madeBy(spec);
  findI16Kernel(spec, ['reference']).run(spec, { ...given, y } as never);
  return y;
}

/** Below every `lo` of the cases. */
export const SENTINEL = -32768;

/** Runs with values around y that must survive, operands that must stay, and a y of which nothing may be left. */
export function runGuardedI16(run: I16Run, spec: I16Spec, given: I16Given): I16Made {
  const ArrayType = spec.op === 'sums' ? Int32Array : Int16Array;
  return guarded<I16Made>(sizesI16(spec).y, SENTINEL, { ArrayType, spec, given }, (y) => run(spec, given, y));
}

/** Throws unless the run gives what the reference gives, on operands of every kind. */
export function compareI16(run: I16Run, spec: I16Spec, seed = 1): void {
  for (const kind of I16_KINDS) {
    const given = operandsI16(spec, kind, seed);
    const wanted = expectedI16(spec, given);
    const got = runGuardedI16(run, spec, given);
    for (let i = 0; i < got.length; i++) {
      if (got[i] !== wanted[i])
        throw new Error(`y[${i}] is ${got[i]}, not ${wanted[i]}: ${kind}, ${JSON.stringify(spec)}`);
    }
  }
}

/** Of uint8 and int8 with several zero points, of ReLU6, of 12 bits, and as wide as i16 is. */
const BOUNDS: readonly [lo: number, hi: number][] = [
  [-128, 127],
  [0, 255],
  [-255, 0],
  [-37, 218],
  [0, 17],
  [-2048, 2047],
  [-4095, 4095],
  [-32767, 32767],
];
const WIDTHS = ['i8', 'i16'] as const;

/** The i-th of these, for specs that differ in nothing but their sizes: bounds and weights in turn. */
export function storeOf(i: number): { dtype: 'i16'; weights: 'i8' | 'i16'; lo: number; hi: number } {
  const [lo, hi] = BOUNDS[i % BOUNDS.length];
  return { dtype: 'i16', weights: WIDTHS[Math.floor(i / 3) % 2], lo, hi };
}

export function pointwiseI16(
  pixels: number,
  C: number,
  K: number,
  more: Partial<PointwiseI16Spec> = {},
  i = pixels + C + K,
) {
  const { activation, residual, ...spec } = pointwise(pixels, C, K);
  return { ...spec, ...storeOf(i), ...more } as PointwiseI16Spec;
}

export function conv3x3I16(i: number, ...sizes: Parameters<typeof conv3x3>) {
  const { activation, ...spec } = conv3x3(...sizes);
  return { ...spec, ...storeOf(i) } as Conv3x3I16Spec;
}

export function depthwiseI16(i: number, ...sizes: Parameters<typeof depthwise>) {
  const { activation, ...spec } = depthwise(...sizes);
  return { ...spec, ...storeOf(i) } as DepthwiseI16Spec;
}

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

/** Every residue around every tile: at most 4 pixels and 16 channels at a time, and pairs of input channels. */
const POINTWISE_I16: readonly PointwiseI16Spec[] = [
  ...upTo(9).flatMap((P) => upTo(9).flatMap((C) => upTo(17).map((K) => pointwiseI16(P, C, K)))),
  ...upTo(33).flatMap((K) =>
    [1, 2, 3, 5].flatMap((P) => WIDTHS.map((weights, i) => pointwiseI16(P, 3 + i, K, { weights }))),
  ),
  ...[1, 2, 3].flatMap((batch) =>
    [false, true].flatMap((biasPerImage) =>
      [1, 2, 7].flatMap((P) => [9, 24].map((K) => pointwiseI16(P, 5, K, { batch, biasPerImage }))),
    ),
  ),
  // Around blocks of pixels, and more channels than most.
  ...[191, 192, 193, 385].map((P) => pointwiseI16(P, 4, 6)),
  ...[1, 4, 11, 12, 13, 25].flatMap((P) => [4999, 5000].map((C) => pointwiseI16(P, C, 9))),
  pointwiseI16(1, 1280, 1001),
  pointwiseI16(49, 160, 64),
];

const SUMS: readonly SumsSpec[] = [
  ...upTo(9).flatMap((inChannels) =>
    upTo(17).map((outChannels, i) => ({
      ...({ op: 'sums', dtype: 'i32', batch: 1 + (i % 3), inChannels, outChannels } as const),
      weights: WIDTHS[(inChannels + i) % 2],
    })),
  ),
  { op: 'sums', dtype: 'i32', weights: 'i8', batch: 2, inChannels: 257, outChannels: 256 },
];

/** Heights and the width that goes with each: odd and even, and never the same in one case. */
const HEIGHTS = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 32, 33];
const widthFor = (height: number, i: number) => [height + 1, Math.max(1, height - 1), 2 * height + 1, 1][i % 4];
const STRIDES = [1, 2] as const;

const CONV3X3_I16: readonly Conv3x3I16Spec[] = [
  ...STRIDES.flatMap((stride) =>
    [false, true].flatMap((same) =>
      HEIGHTS.flatMap((H, i) => [i, i + 1].map((w) => conv3x3I16(i + w, H, widthFor(H, w), 3, 9, stride, same))),
    ),
  ),
  ...upTo(17).flatMap((K) =>
    STRIDES.flatMap((stride) =>
      upTo(5).map((C) => conv3x3I16(K + C, 5, 8, C, K, stride, K % 2 === 0, { batch: 1 + (K % 2) })),
    ),
  ),
  // Paddings and outputs that no network asks for: none, uneven, and outputs cut short or far outside the picture.
  ...[1, 2, 3, 4, 7].flatMap((W, i) =>
    [0, 1, 2, 3].flatMap((padLeft) =>
      [1, 2, 4, 9].flatMap((outWidth) =>
        STRIDES.map((stride) =>
          conv3x3I16(i + padLeft, 5, W, 3, 9, stride, false, { padTop: 3 - padLeft, padLeft, outHeight: 6, outWidth }),
        ),
      ),
    ),
  ),
  conv3x3I16(0, 3, 4, 200, 9, 1),
];

const QUANTIZE_I16: readonly QuantizeI16Spec[] = [
  ...upTo(19).flatMap((pixels, i) => [1, 2, 3, 4].map((channels) => quantizeI16(1 + (i % 2), channels, pixels, i))),
  quantizeI16(2, 3, 1001, 1),
];

export function quantizeI16(batch: number, channels: number, pixels: number, i: number): QuantizeI16Spec {
  const { lo, hi } = storeOf(i);
  const multiplier = Math.fround([127.5, 128, 1 / 0.0078125, 0.3, 1000][i % 5]);
  return { op: 'quantize', dtype: 'i16', batch, channels, pixels, multiplier, lo, hi };
}

export const CASES_I16: readonly I16Spec[] = [...POINTWISE_I16, ...SUMS, ...CONV3X3_I16, ...QUANTIZE_I16];
