/**
 * The rules of training, one for each operation: what a node does on the way forth, and what on the way back, where the gradient
 * of what it made becomes gradients of what it read and of its parameters. Kernels are those of layers and layers/backward.
 */
import { MobileNetError } from '../../base/errors.js';
import type {
  ActivationNode,
  AddNode,
  ConcatNode,
  ConvNode,
  LinearNode,
  PoolNode,
  ResizeNode,
} from '../../graph/nodes.js';
import { sizeOf, type Value } from '../../graph/values.js';
import type { TrainingSpec } from '../../layers/backward/spec.js';
import type {
  AveragePoolSpec,
  BatchNormSpec,
  Conv3x3Spec,
  DepthwiseSpec,
  FusedActivation,
  PointwiseSpec,
  ResizeSpec,
  Spec,
} from '../../layers/spec.js';
import type { FloatWeights, StepWeights } from '../engines/engine.js';
import { type BatchNode, type DropoutNode, FACTORS, type TrainingNode } from './graph.js';
import { Numbers, type Steps, type TrainingStep } from './steps.js';

/** What rules are told. */
export interface Situation {
  steps: Steps;
  /** How often steps are done, each time for other pictures. */
  times: number;
  /** The values of the graph. */
  values: ReadonlyMap<string, Value>;
  /** What each node of the graph is when a network runs. */
  lowered: ReadonlyMap<string, { spec: Spec; makeWeights: (() => StepWeights) | null }>;
  /** Whether a parameter is trained. */
  isTrained: (name: string) => boolean;
  /** Whether the gradient of a value is wanted. */
  isWanted: (value: string) => boolean;
  /** The clamp that made a value which only one node reads: that node's kernel may go back through it at once. */
  ownClamp: (value: string) => FusedActivation;
}

interface Rule<N> {
  forth(node: N, at: Situation): void;
  /** @param dy the gradient of what it made, complete */
  back(node: N, dy: string, at: Situation): void;
}

type Rules = { [Op in TrainingNode['op']]: Rule<Extract<TrainingNode, { op: Op }>> };

/** The same step as in a network that runs. */
function asLowered(
  node: Exclude<TrainingNode, BatchNode | DropoutNode>,
  reads: { residual?: string; other?: string },
  at: Situation,
): void {
  const { steps, values, lowered } = at;
  const { spec, makeWeights } = lowered.get(node.name)!;
  const packed =
    makeWeights === null ? undefined : { key: node.name, make: makeWeights, changes: isTrainedNode(node, at) };
  steps.forth(node.name, spec, { x: node.input, ...reads, y: node.name }, sizeOf(values.get(node.name)!), packed);
}

const convolution: Rule<ConvNode> = {
  forth: (node, at) => asLowered(node, node.residual === undefined ? {} : { residual: node.residual }, at),

  back(node, given, at) {
    const { steps, lowered } = at;
    const spec = lowered.get(node.name)!.spec as PointwiseSpec | Conv3x3Spec | DepthwiseSpec;
    const dy = throughClamp(node.name, spec.activation, given, at);
    if (node.residual !== undefined && at.isWanted(node.residual)) steps.arrive(node.name, node.residual, dy);
    // Of a folded norm: gradients of the folded weights, from which the session makes those of weights and norm once a step.
    const { norm } = node;
    const gamma = norm !== null && at.isTrained(`${norm.prefix}.weight`);
    if (gamma || at.isTrained(node.weight)) weightGradient(node, spec, dy, at);
    const bias = norm === null ? node.bias : `${norm.prefix}.bias`;
    if (bias !== null && (gamma || at.isTrained(bias))) biasGradient(node.name, bias, spec, dy, at);
    if (at.isWanted(node.input)) inputGradient(node, spec, dy, at);
  },
};

const linear: Rule<LinearNode> = {
  forth: (node, at) => asLowered(node, {}, at),

  back(node, dy, at) {
    const spec = at.lowered.get(node.name)!.spec as PointwiseSpec;
    if (at.isTrained(node.weight)) weightGradient(node, spec, dy, at);
    if (at.isTrained(node.bias)) biasGradient(node.name, node.bias, spec, dy, at);
    if (at.isWanted(node.input)) inputGradient(node, spec, dy, at);
  },
};

/**
 * Batch norm with the statistics of the batch; what it read is kept, what it made is made again. Sums over pixels are those of each
 * picture, and then of all: so threads share pictures, and what a convolution made is still in a cache.
 */
const batchNorm: Rule<BatchNode> = {
  forth({ name, input, prefix, clamp }, { steps, lowered, times }) {
    const { pixels, channels, epsilon } = lowered.get(name)!.spec as BatchNormSpec;
    if (pixels * times < 2) throw oneValue(name);
    const sizes = { dtype: 'f32', pixels, channels } as const;
    const ofEach = `${name} moments of each`;
    const moments = `${name} moments`;
    const scales = `${name} scales`;
    const weights = Numbers.parameter(`${prefix}.weight`);
    const bias = Numbers.parameter(`${prefix}.bias`);
    steps.forth(name, { op: 'norm_moments', ...sizes }, { x: input, y: ofEach }, 2 * channels);
    const join = { op: 'norm_moments_join', dtype: 'f32', pictures: times, channels } as const;
    steps.once(name, 'forward', join, { x: ofEach, y: moments }, 2 * channels);
    const scale = { op: 'norm_scale', dtype: 'f32', channels, epsilon } as const;
    steps.once(name, 'forward', scale, { x: moments, weights, bias, y: scales }, 2 * channels);
    const shift = { op: 'scale_shift', ...sizes, activation: clamp } as const;
    steps.forth(name, shift, { x: input, weights: scales, y: name }, pixels * channels);
    steps.moments.push({ prefix, value: moments, pixels: pixels * times });
  },

  back({ name, input, prefix, clamp }, given, at) {
    const { steps, lowered, times } = at;
    const { pixels, channels, epsilon } = lowered.get(name)!.spec as BatchNormSpec;
    const sizes = { dtype: 'f32', pixels, channels } as const;
    const perChannel = { dtype: 'f32', channels, epsilon } as const;
    const once = (spec: TrainingSpec, operands: TrainingStep['operands'], size?: number) =>
      steps.once(name, 'backward', spec, operands, size);
    const dy = throughClamp(name, clamp, given, at);
    const x = steps.kept(input);
    const [moments, ofEach, sums, factors] = ['moments', 'sums of each', 'sums', 'factors'].map(
      (what) => `${name} ${what}`,
    );
    steps.back(name, { op: 'norm_sums', ...sizes }, { x, other: dy, weights: moments, y: ofEach }, 2 * channels);
    once({ op: 'norm_sums_join', dtype: 'f32', pictures: times, channels }, { x: ofEach, y: sums }, 2 * channels);
    const beta = `${prefix}.bias`;
    if (at.isTrained(beta)) {
      once({ op: 'channel_sum', dtype: 'f32', pixels: 1, channels }, { x: sums, y: Numbers.gradient(beta) });
    }
    const gamma = `${prefix}.weight`;
    if (at.isTrained(gamma)) {
      once({ op: 'norm_dw', ...perChannel }, { x: moments, other: sums, y: Numbers.gradient(gamma) });
    }
    if (!at.isWanted(input)) return;
    const weights = Numbers.parameter(gamma);
    const all = { op: 'norm_dx_weights', ...perChannel, pixels: pixels * times } as const;
    once(all, { x: moments, other: sums, weights, y: factors }, 3 * channels);
    const y = steps.room(input);
    steps.back(name, { op: 'norm_dx', ...sizes }, { x, other: dy, weights: factors, y }, pixels * channels);
    steps.arrive(name, input, y);
  },
};

const activation: Rule<ActivationNode> = {
  forth: (node, at) => asLowered(node, {}, at),

  back(node, dy, { steps }) {
    const size = steps.sizes.get(node.name)!;
    const y = steps.room(node.input);
    const spec = { op: 'activation_dx', dtype: 'f32', size, function: node.function } as const;
    steps.back(node.name, spec, { x: steps.kept(node.input), other: dy, y }, size);
    steps.arrive(node.name, node.input, y);
  },
};

const add: Rule<AddNode> = {
  forth: (node, at) => asLowered(node, { other: node.other }, at),

  back({ name, input, other }, dy, at) {
    for (const half of [input, other]) if (at.isWanted(half)) at.steps.arrive(name, half, dy);
  },
};

const averagePool: Rule<PoolNode> = {
  forth: (node, at) => asLowered(node, {}, at),

  back({ name, input }, dy, { steps, lowered }) {
    const { batch, inHeight, inWidth, channels, kernelHeight, kernelWidth } = lowered.get(name)!
      .spec as AveragePoolSpec;
    const sizes = { batch, inHeight, inWidth, channels, kernelHeight, kernelWidth };
    const y = steps.room(input);
    steps.back(name, { op: 'average_pool_dx', dtype: 'f32', ...sizes }, { x: dy, y }, steps.sizes.get(input)!);
    steps.arrive(name, input, y);
  },
};

const resize: Rule<ResizeNode> = {
  forth: (node, at) => asLowered(node, {}, at),

  back({ name, input }, dy, { steps, lowered }) {
    const spec = lowered.get(name)!.spec as ResizeSpec;
    const y = steps.room(input);
    steps.back(name, { ...spec, op: 'resize_bilinear_dx' }, { x: dy, y }, steps.sizes.get(input)!);
    steps.arrive(name, input, y);
  },
};

const concat: Rule<ConcatNode> = {
  forth: (node, at) => asLowered(node, { other: node.other }, at),

  back({ name, input, other }, dy, { steps, values, isWanted }) {
    const inChannels = values.get(name)!.channels;
    let from = 0;
    for (const part of [input, other]) {
      const { batch, height, width, channels } = values.get(part)!;
      const pixels = batch * height * width;
      if (isWanted(part)) {
        const y = steps.room(part);
        const spec = { op: 'slice_channels', dtype: 'f32', pixels, inChannels, from, channels } as const;
        steps.back(name, spec, { x: dy, y }, pixels * channels);
        steps.arrive(name, part, y);
      }
      from += channels;
    }
  },
};

const dropout: Rule<DropoutNode> = {
  forth(node, at) {
    at.steps.sizes.set(FACTORS, dropoutSpec(node, at).batch * dropoutSpec(node, at).channels);
    const size = at.steps.sizes.get(node.input)!;
    at.steps.forth(node.name, dropoutSpec(node, at), { x: node.input, other: FACTORS, y: node.name }, size);
  },

  back(node, dy, at) {
    const y = at.steps.room(node.input);
    const size = at.steps.sizes.get(node.input)!;
    at.steps.back(node.name, dropoutSpec(node, at), { x: dy, other: FACTORS, y }, size);
    at.steps.arrive(node.name, node.input, y);
  },
};

function dropoutSpec({ input }: DropoutNode, { values }: Situation) {
  const { batch, height, width, channels } = values.get(input)!;
  return { op: 'dropout', dtype: 'f32', batch, pixels: height * width, channels } as const;
}

export const RULES: Rules = {
  convolution,
  linear,
  batch_norm: batchNorm,
  activation,
  add,
  average_pool: averagePool,
  resize,
  concat,
  dropout,
};

/** The parameters that a node computes with. */
export function parametersOfNode(node: TrainingNode): string[] {
  const ofNorm = (prefix: string) => [`${prefix}.weight`, `${prefix}.bias`];
  if (node.op === 'batch_norm') return ofNorm(node.prefix);
  if (node.op !== 'convolution' && node.op !== 'linear') return [];
  const norm = node.op === 'convolution' && node.norm !== null ? ofNorm(node.norm.prefix) : [];
  return [node.weight, ...(node.bias === null ? [] : [node.bias]), ...norm];
}

const isTrainedNode = (node: TrainingNode, { isTrained }: Situation): boolean => parametersOfNode(node).some(isTrained);

/** The gradient before a clamp, by what came out of it. */
function throughClamp(value: string, clamp: FusedActivation, dy: string, { steps }: Situation): string {
  if (clamp === 'none' || steps.masked.has(dy)) return dy;
  const size = steps.sizes.get(value)!;
  const y = steps.room(value);
  const spec = { op: 'activation_dx', dtype: 'f32', size, function: clamp } as const;
  steps.back(value, spec, { x: steps.kept(value), other: dy, y }, size);
  return y;
}

type ConvolutionSpec = PointwiseSpec | Conv3x3Spec | DepthwiseSpec;

/** Pixels and channels of what a convolution makes. */
function outputOf(spec: ConvolutionSpec): { pixels: number; channels: number } {
  if (spec.op === 'pointwise') return { pixels: spec.batch * spec.pixels, channels: spec.outChannels };
  const pixels = spec.batch * spec.outHeight * spec.outWidth;
  return { pixels, channels: spec.op === 'conv3x3' ? spec.outChannels : spec.channels };
}

/** What the kernels of both gradients of a 3×3 convolution are told. */
function windowOf({ batch, inHeight, inWidth, outHeight, outWidth, ...rest }: Conv3x3Spec | DepthwiseSpec) {
  const { stride, padTop, padLeft } = rest;
  return { dtype: 'f32', batch, inHeight, inWidth, outHeight, outWidth, stride, padTop, padLeft } as const;
}

function weightGradient(
  { name, input, weight }: ConvNode | LinearNode,
  spec: ConvolutionSpec,
  dy: string,
  { steps }: Situation,
): void {
  const operands = { x: steps.kept(input), other: dy, y: Numbers.gradient(weight) };
  if (spec.op === 'pointwise') {
    const { inChannels, outChannels } = spec;
    const sizes = { dtype: 'f32', pixels: spec.batch * spec.pixels, inChannels, outChannels } as const;
    steps.back(name, { op: 'pointwise_dw', ...sizes }, operands);
  } else if (spec.op === 'conv3x3') {
    const { inChannels, outChannels } = spec;
    steps.back(name, { op: 'conv3x3_dw', ...windowOf(spec), inChannels, outChannels }, operands);
  } else {
    const { channels, dilation } = spec;
    steps.back(name, { op: 'depthwise3x3_dw', ...windowOf(spec), channels, dilation }, operands);
  }
}

function biasGradient(name: string, bias: string, spec: ConvolutionSpec, dy: string, { steps }: Situation): void {
  steps.back(name, { op: 'channel_sum', dtype: 'f32', ...outputOf(spec) }, { x: dy, y: Numbers.gradient(bias) });
}

function inputGradient(node: ConvNode | LinearNode, spec: ConvolutionSpec, dy: string, at: Situation): void {
  const { steps, lowered } = at;
  const { name, input } = node;
  const size = steps.sizes.get(input)!;
  const y = steps.room(input);
  const makeWeights = () => ({ ...(lowered.get(name)!.makeWeights!() as FloatWeights), bias: new Float32Array(0) });
  const packed = { key: `${name} back`, make: makeWeights, changes: isTrainedNode(node, at) };
  const { inChannels, outChannels } = spec.op === 'depthwise3x3' ? node : spec;
  if (spec.op === 'conv3x3') {
    steps.back(name, { op: 'conv3x3_dx', ...windowOf(spec), inChannels, outChannels }, { x: dy, y }, size, packed);
    steps.arrive(name, input, y);
    return;
  }
  // Kernels that go through the clamp before them at once, by what came out of it.
  const mask = at.ownClamp(input);
  const masked = mask === 'none' ? {} : { other: steps.kept(input) };
  if (mask !== 'none') steps.masked.add(y);
  if (spec.op === 'depthwise3x3') {
    const { channels, dilation } = spec;
    const kernel = { op: 'depthwise3x3_dx', ...windowOf(spec), channels, dilation, mask } as const;
    steps.back(name, kernel, { x: dy, ...masked, y }, size, packed);
    steps.arrive(name, input, y);
    return;
  }
  // What has arrived before is the residual.
  const before = steps.gradientOf(input);
  const residual = before !== undefined;
  const sizes = { dtype: 'f32', pixels: spec.batch * spec.pixels, inChannels, outChannels } as const;
  const operands = { x: dy, ...masked, y, ...(residual && { residual: before }) };
  steps.back(name, { op: 'pointwise_dx', ...sizes, residual, mask }, operands, size, packed);
  steps.replace(input, y);
}

function oneValue(name: string): MobileNetError {
  return new MobileNetError(
    'ARG',
    `${name}: batch norm in train mode expected more than one value a channel, got a batch of one whose picture is one pixel here; use a larger batch or picture, or batch_norm: 'frozen'`,
  );
}
