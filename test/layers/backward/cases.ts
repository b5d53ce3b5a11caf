/** Cases that every kernel of training must get right, and how one is compared with the reference. */
import { ACTIVATION_NAMES } from '../../../src/layers/activation/plain.js';
import { findTrainingKernel } from '../../../src/layers/backward/kernels.js';
import type { TrainingSpec } from '../../../src/layers/backward/spec.js';
import type { Operands } from '../../../src/layers/kernel.js';
import type { FusedActivation } from '../../../src/layers/spec.js';
import { randomNumbers } from '../../helpers/random.js';
import { CONV3X3, DEPTHWISE } from '../cases.js';

/** Elements of every operand and of y. */
export function trainingSizes(spec: TrainingSpec): Record<keyof Operands<unknown>, number> {
  const none = { x: 0, weights: 0, bias: 0, residual: 0, other: 0, y: 0 };
  switch (spec.op) {
    case 'conv3x3_dw':
    case 'conv3x3_dx': {
      const { batch: N, inChannels: C, outChannels: K } = spec;
      const picture = N * C * spec.inHeight * spec.inWidth;
      const gradient = N * spec.outHeight * spec.outWidth * K;
      if (spec.op === 'conv3x3_dw') return { ...none, x: picture, other: gradient, y: K * C * 9 };
      return { ...none, x: gradient, weights: K * C * 9, y: picture };
    }
    case 'depthwise3x3_dw':
    case 'depthwise3x3_dx': {
      const { batch: N, channels: C } = spec;
      const input = N * spec.inHeight * spec.inWidth * C;
      const gradient = N * spec.outHeight * spec.outWidth * C;
      if (spec.op === 'depthwise3x3_dw') return { ...none, x: input, other: gradient, y: 9 * C };
      return { ...none, x: gradient, weights: 9 * C, other: spec.mask === 'none' ? 0 : input, y: input };
    }
    case 'pointwise_dw': {
      const { pixels: P, inChannels: C, outChannels: K } = spec;
      return { ...none, x: P * C, other: P * K, y: K * C };
    }
    case 'pointwise_dx': {
      const { pixels: P, inChannels: C, outChannels: K, residual, mask } = spec;
      const result = P * C;
      const sizes = { x: P * K, weights: K * C, residual: residual ? result : 0, other: mask === 'none' ? 0 : result };
      return { ...none, ...sizes, y: result };
    }
    case 'channel_sum':
      return { ...none, x: spec.pixels * spec.channels, y: spec.channels };
    case 'activation_dx':
      return { ...none, x: spec.size, other: spec.size, y: spec.size };
    case 'norm_moments':
      return { ...none, x: spec.pixels * spec.channels, y: 2 * spec.channels };
    case 'scale_shift': {
      const size = spec.pixels * spec.channels;
      return { ...none, x: size, weights: 2 * spec.channels, y: size };
    }
    case 'norm_sums': {
      const size = spec.pixels * spec.channels;
      return { ...none, x: size, other: size, weights: 2 * spec.channels, y: 2 * spec.channels };
    }
    case 'norm_dx': {
      const size = spec.pixels * spec.channels;
      return { ...none, x: size, other: size, weights: 3 * spec.channels, y: size };
    }
    case 'norm_moments_join':
    case 'norm_sums_join':
      return { ...none, x: 2 * spec.pictures * spec.channels, y: 2 * spec.channels };
    case 'norm_scale': {
      const { channels: C } = spec;
      return { ...none, x: 2 * C, weights: C, bias: C, y: 2 * C };
    }
    case 'norm_dw':
      return { ...none, x: 2 * spec.channels, other: 2 * spec.channels, y: spec.channels };
    case 'norm_dx_weights': {
      const { channels: C } = spec;
      return { ...none, x: 2 * C, other: 2 * C, weights: C, y: 3 * C };
    }
    case 'fold_dw': {
      const { channels: K, perChannel: R } = spec;
      return { ...none, x: K * R, weights: K, other: 2 * K, y: K * R };
    }
    case 'fold_dgamma': {
      const { channels: K, perChannel: R } = spec;
      return { ...none, x: K * R, weights: K * R, bias: K, other: 2 * K, y: K };
    }
    case 'average_pool_dx': {
      const { batch: N, inHeight: H, inWidth: W, channels: C } = spec;
      return { ...none, x: N * (H - spec.kernelHeight + 1) * (W - spec.kernelWidth + 1) * C, y: N * H * W * C };
    }
    case 'resize_bilinear_dx': {
      const { batch: N, channels: C } = spec;
      return { ...none, x: N * spec.outHeight * spec.outWidth * C, y: N * spec.inHeight * spec.inWidth * C };
    }
    case 'slice_channels':
      return { ...none, x: spec.pixels * spec.inChannels, y: spec.pixels * spec.channels };
    case 'dropout': {
      const size = spec.batch * spec.pixels * spec.channels;
      return { ...none, x: size, other: spec.batch * spec.channels, y: size };
    }
    case 'sum_of_squares':
      return { ...none, x: spec.size, y: 1 };
    case 'sgd':
      return { ...none, x: spec.size, other: spec.momentum === 0 ? 0 : spec.size, y: spec.size };
    case 'rmsprop': {
      const arrays = 1 + (spec.momentum > 0 ? 1 : 0) + (spec.centered ? 1 : 0);
      return { ...none, x: spec.size, other: arrays * spec.size, y: spec.size };
    }
    case 'adam':
      return { ...none, x: spec.size, other: 2 * spec.size, y: spec.size };
  }
}

/** Operations that add to y. */
const ADDING: readonly TrainingSpec['op'][] = [
  'conv3x3_dw',
  'depthwise3x3_dw',
  'pointwise_dw',
  'channel_sum',
  'norm_dw',
  'fold_dw',
  'fold_dgamma',
];
/** Operations that change what was in y, and what is in other. */
const OPTIMIZERS: readonly TrainingSpec['op'][] = ['sgd', 'rmsprop', 'adam'];
/** Operations whose results are sums of products of what they are given. */
const POLYNOMIAL: readonly TrainingSpec['op'][] = [
  ...(['conv3x3_dw', 'conv3x3_dx', 'depthwise3x3_dw', 'depthwise3x3_dx'] as const),
  ...(['pointwise_dw', 'pointwise_dx', 'channel_sum'] as const),
  ...(['scale_shift', 'norm_sums', 'norm_dx', 'slice_channels', 'dropout', 'sum_of_squares'] as const),
  'norm_sums_join',
];

/** Where the variances are that an operand holds, which are positive. */
function variances(spec: TrainingSpec): { operand: 'x' | 'other'; from: number; to: number } | undefined {
  switch (spec.op) {
    case 'norm_scale':
    case 'norm_dw':
    case 'norm_dx_weights':
      return { operand: 'x', from: spec.channels, to: 2 * spec.channels };
    case 'fold_dw':
    case 'fold_dgamma':
      return { operand: 'other', from: spec.channels, to: 2 * spec.channels };
    case 'rmsprop':
      return { operand: 'other', from: 0, to: spec.size };
    case 'adam':
      return { operand: 'other', from: spec.size, to: 2 * spec.size };
    default:
      return undefined;
  }
}

/**
 * Operands: `integers` from −3 to 7, which lie on both sides of a clamp's bounds and on them, or `reals` in [−2, 8). Of what
 * has no clamp, and of all sums, `reals` in [−1, 1). Each starts four bytes into its buffer, where no vector is aligned.
 */
export function trainingOperands(spec: TrainingSpec, kind: 'integers' | 'reals', seed = 1): Operands<Float32Array> {
  const random = randomNumbers(seed);
  const clamped = spec.op === 'activation_dx' ? 'x' : 'mask' in spec ? 'other' : undefined;
  const make = (size: number, role: string) => {
    const values = new Float32Array(size + 1).subarray(1);
    for (let i = 0; i < size; i++) {
      if (role === clamped) values[i] = kind === 'integers' ? Math.floor(random() * 11) - 3 : random() * 10 - 2;
      else values[i] = kind === 'integers' ? Math.floor(random() * 7) - 3 : random() * 2 - 1;
    }
    return values;
  };
  const sizes = Object.entries(trainingSizes(spec));
  const made = Object.fromEntries(sizes.map(([role, size]) => [role, make(size, role)])) as unknown as ReturnType<
    typeof trainingOperands
  >;
  const positive = variances(spec);
  if (positive !== undefined) {
    const values = made[positive.operand];
    for (let i = positive.from; i < positive.to; i++) values[i] = Math.abs(values[i]) + 1;
  }
  return made;
}

/** Runs a kernel on unpacked operands; what it writes is in them afterwards. What an engine brings to `compareTraining`. */
export type TrainingRun = (spec: TrainingSpec, operands: Operands<Float32Array>) => void;

const copied = (given: Operands<Float32Array>): Operands<Float32Array> => structuredClone(given);

/** The operands after the reference has run on copies of them. */
export function expectedTraining(spec: TrainingSpec, given: Operands<Float32Array>): Operands<Float32Array> {
  const after = copied(given);
  findTrainingKernel(spec, ['reference']).run(spec, after);
  return after;
}

const GUARD = 64;
const SENTINEL = 12345.5;

/**
 * Runs with values around y that must survive, and operands that must stay. Where an operation writes all of y, nothing may
 * be left of what was there.
 */
function runTrainingGuarded(run: TrainingRun, spec: TrainingSpec, given: Operands<Float32Array>) {
  const fail = (what: string): never => {
    throw new Error(`${what}: ${JSON.stringify(spec)}`);
  };
  const operands = copied(given);
  const memory = new Float32Array(given.y.length + 2 * GUARD).fill(SENTINEL);
  operands.y = memory.subarray(GUARD, GUARD + given.y.length);
  const optimizer = OPTIMIZERS.includes(spec.op);
  const reads = optimizer || ADDING.includes(spec.op);
  if (reads) operands.y.set(given.y);
  run(spec, operands);

  for (let i = 0; i < GUARD; i++) {
    if (memory[i] !== SENTINEL) fail(`wrote ${GUARD - i} before y`);
    if (memory[GUARD + given.y.length + i] !== SENTINEL) fail(`wrote ${i + 1} after y`);
  }
  if (!reads && operands.y.includes(SENTINEL)) fail(`left y[${operands.y.indexOf(SENTINEL)}] as it was`);
  for (const role of ['x', 'weights', 'bias', 'residual', 'other'] as const) {
    if (optimizer && role === 'other') continue;
    if (operands[role].some((value, i) => !Object.is(value, given[role][i]))) fail(`changed ${role}`);
  }
  return operands;
}

/** Terms that are summed for one number of y. */
function terms(spec: TrainingSpec): number {
  switch (spec.op) {
    case 'conv3x3_dw':
    case 'depthwise3x3_dw':
      return spec.batch * spec.outHeight * spec.outWidth + 1;
    case 'conv3x3_dx':
      return 9 * spec.outChannels;
    case 'depthwise3x3_dx':
      return 9;
    case 'pointwise_dx':
      return spec.outChannels + 1;
    case 'pointwise_dw':
    case 'channel_sum':
    case 'norm_moments':
    case 'norm_sums':
      return spec.pixels + 2;
    case 'fold_dgamma':
      return spec.perChannel + 2;
    case 'average_pool_dx':
      return spec.kernelHeight * spec.kernelWidth + 1;
    case 'resize_bilinear_dx':
      return 4 * Math.ceil(spec.outHeight / spec.inHeight + 1) * Math.ceil(spec.outWidth / spec.inWidth + 1);
    case 'sum_of_squares':
      return spec.size;
    default:
      return 4;
  }
}

/** What y would be if nothing canceled: Σ|aᵢbᵢ|, or an upper bound of it. */
function magnitudes(spec: TrainingSpec, given: Operands<Float32Array>): Float32Array {
  const absolute = copied(given);
  for (const role of ['x', 'weights', 'bias', 'residual', 'other', 'y'] as const)
    absolute[role] = absolute[role].map(Math.abs);
  if (spec.op === 'norm_sums') absolute.weights = absolute.weights.map((mean) => -mean);
  if (spec.op === 'norm_dx_weights') absolute.x.fill(-1, 0, spec.channels);
  const all: TrainingSpec = 'activation' in spec ? { ...spec, activation: 'none' } : spec;
  return expectedTraining('mask' in all ? { ...all, mask: 'none' } : all, absolute).y;
}

/**
 * Throws unless the run agrees with the reference: bit for bit on integers where results are sums of products (but for the sign
 * of a zero), and on reals to |Δ| ≤ 2·K·2⁻²⁴·Σ|aᵢbᵢ| + 2e-6, K the number of terms.
 */
export function compareTraining(run: TrainingRun, spec: TrainingSpec): void {
  if (POLYNOMIAL.includes(spec.op)) {
    const given = trainingOperands(spec, 'integers');
    const { y: exact } = expectedTraining(spec, given);
    const { y: got } = runTrainingGuarded(run, spec, given);
    for (let i = 0; i < got.length; i++) {
      if (got[i] !== exact[i]) throw new Error(`y[${i}] is ${got[i]}, not ${exact[i]}: ${JSON.stringify(spec)}`);
    }
  }

  const given = trainingOperands(spec, 'reals', 2);
  const wanted = expectedTraining(spec, given);
  const got = runTrainingGuarded(run, spec, given);
  const most = magnitudes(spec, given);
  for (let i = 0; i < got.y.length; i++) {
    const bound = 2 * terms(spec) * 2 ** -24 * Math.abs(most[i]) + 2e-6;
    if (Math.abs(got.y[i] - wanted.y[i]) <= bound) continue;
    throw new Error(`y[${i}] is ${got.y[i]}, not ${wanted.y[i]} ± ${bound}: ${JSON.stringify(spec)}`);
  }
  for (let i = 0; i < got.other.length; i++) {
    if (Math.abs(got.other[i] - wanted.other[i]) <= 2e-6) continue;
    throw new Error(`other[${i}] is ${got.other[i]}, not ${wanted.other[i]}: ${JSON.stringify(spec)}`);
  }
}

/** Runs a kernel by name of its engine on unpacked operands, into `y` as it is given, zeros unless given. */
export function runTraining(
  engine: 'reference' | 'js',
  spec: TrainingSpec,
  given: Partial<Operands<Float32Array>>,
): Float32Array {
  const kernel = findTrainingKernel(spec, [engine]);
  const none = new Float32Array(0);
  const y = given.y ?? new Float32Array(trainingSizes(spec).y);
  const weights = given.weights === undefined ? none : kernel.pack(spec, given.weights);
  kernel.run(spec, { x: none, bias: none, residual: none, other: none, ...given, weights, y });
  return y;
}

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);
const CLAMPS: readonly FusedActivation[] = ['none', 'relu', 'relu6'];

/** Every edge of the windows, in both directions. */
const WINDOWS: readonly TrainingSpec[] = [
  ...DEPTHWISE.flatMap(({ activation: mask, ...sizes }): TrainingSpec[] => [
    { ...sizes, op: 'depthwise3x3_dw' },
    { ...sizes, op: 'depthwise3x3_dx', mask },
  ]),
  ...CONV3X3.flatMap(({ activation: _, ...sizes }): TrainingSpec[] => [
    { ...sizes, op: 'conv3x3_dw' },
    { ...sizes, op: 'conv3x3_dx' },
  ]),
];

/** Every remainder of every dimension around tiles, and more pixels than a block has. */
const PRODUCTS = [
  ...upTo(13).flatMap((K) => upTo(17).flatMap((C) => [1, 2, 5].map((P) => [P, C, K]))),
  ...upTo(33).flatMap((C) => [1, 3, 4, 7].map((P) => [P, C, 9])),
  ...[127, 128, 129, 300].map((P) => [P, 5, 6]),
  [2, 320, 7],
  [49, 160, 41],
  [1, 1280, 19],
].flatMap(([pixels, inChannels, outChannels], i): TrainingSpec[] => {
  const sizes = { dtype: 'f32', pixels, inChannels, outChannels } as const;
  return [
    { ...sizes, op: 'pointwise_dw' },
    { ...sizes, op: 'pointwise_dx', residual: i % 4 > 1, mask: CLAMPS[i % 3] },
  ];
});

/** What goes over pixels, a channel at a time: tails of channels, one pixel, more pixels than a block has. */
const CHANNELWISE: readonly TrainingSpec[] = [
  ...upTo(35).map((channels, i) => ({ channels, pixels: [1, 2, 3, 7][i % 4] })),
  ...[63, 64, 65, 200].map((pixels) => ({ channels: 5, pixels })),
  { channels: 1280, pixels: 4 },
].flatMap((sizes, i): TrainingSpec[] => [
  { ...sizes, op: 'channel_sum', dtype: 'f32' },
  { ...sizes, op: 'norm_moments', dtype: 'f32' },
  { ...sizes, op: 'scale_shift', dtype: 'f32', activation: CLAMPS[i % 3] },
  { ...sizes, op: 'norm_sums', dtype: 'f32' },
  { ...sizes, op: 'norm_dx', dtype: 'f32' },
  { ...sizes, op: 'norm_dx_weights', dtype: 'f32', epsilon: 0.001 },
  { channels: sizes.channels, op: 'norm_moments_join', dtype: 'f32', pictures: 1 + (i % 5) },
  { channels: sizes.channels, op: 'norm_sums_join', dtype: 'f32', pictures: 1 + (i % 5) },
  { channels: sizes.channels, op: 'norm_scale', dtype: 'f32', epsilon: 0.001 },
  { channels: sizes.channels, op: 'norm_dw', dtype: 'f32', epsilon: 0.001 },
  { channels: sizes.channels, op: 'fold_dw', dtype: 'f32', perChannel: sizes.pixels, epsilon: 0.001 },
  { channels: sizes.channels, op: 'fold_dgamma', dtype: 'f32', perChannel: sizes.pixels, epsilon: 0.001 },
  { ...sizes, op: 'dropout', dtype: 'f32', batch: 1 + (i % 3) },
  {
    pixels: sizes.pixels,
    op: 'slice_channels',
    dtype: 'f32',
    inChannels: sizes.channels + 3,
    from: i % 4,
    channels: sizes.channels,
  },
]);

const RESIZES: readonly TrainingSpec[] = [false, true].flatMap((alignCorners) =>
  [
    [3, 4, 7, 9],
    [9, 8, 4, 3],
    [1, 1, 6, 5],
    [5, 2, 5, 2],
    [4, 5, 1, 1],
    [5, 5, 33, 17],
  ].flatMap(([inHeight, inWidth, outHeight, outWidth], i) =>
    [1, 4, 5 + 3 * i].map((channels): TrainingSpec => {
      const sizes = { batch: 1 + (i % 2), inHeight, inWidth, channels, outHeight, outWidth, alignCorners };
      return { ...sizes, op: 'resize_bilinear_dx', dtype: 'f32' };
    }),
  ),
);

const POOLS: readonly TrainingSpec[] = [
  [5, 7, 5, 7],
  [8, 9, 7, 7],
  [4, 3, 1, 1],
  [3, 4, 2, 3],
].flatMap(([inHeight, inWidth, kernelHeight, kernelWidth], i) =>
  [1, 4, 17].map((channels): TrainingSpec => {
    const sizes = { batch: 1 + (i % 2), inHeight, inWidth, channels, kernelHeight, kernelWidth };
    return { ...sizes, op: 'average_pool_dx', dtype: 'f32' };
  }),
);

/** What goes over numbers: every tail, and more than a block. */
const VECTORS: readonly TrainingSpec[] = [...upTo(35), 1000, 4099].flatMap((size, i): TrainingSpec[] => {
  const update = { dtype: 'f32', size, learningRate: 0.1, weightDecay: [0, 0.01][i % 2], gradientScale: 0.5 } as const;
  const momentum = [0, 0.9][(i >> 1) % 2];
  return [
    { op: 'sum_of_squares', dtype: 'f32', size },
    { op: 'activation_dx', dtype: 'f32', size, function: 'relu' },
    { op: 'activation_dx', dtype: 'f32', size, function: 'relu6' },
    { op: 'activation_dx', dtype: 'f32', size, function: ACTIVATION_NAMES[i % ACTIVATION_NAMES.length] },
    { ...update, op: 'sgd', momentum, dampening: 0, nesterov: momentum > 0, first: false },
    { ...update, op: 'sgd', momentum: 0.9, dampening: 0.5, nesterov: false, first: i % 3 === 0 },
    { ...update, op: 'rmsprop', alpha: 0.9, epsilon: [1, 1e-3][(i >> 2) % 2], momentum, centered: i % 3 === 0 },
    { ...update, op: 'adam', decoupled: i % 3 === 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step: i + 1 },
  ];
});

export const TRAINING_CASES: readonly TrainingSpec[] = [
  ...WINDOWS,
  ...PRODUCTS,
  ...CHANNELWISE,
  ...RESIZES,
  ...POOLS,
  ...VECTORS,
];
