/**
 * From nodes to steps: what each node of a graph becomes for one input size. One node, one step; what should be one step, a
 * pass has made one node before (graph/passes). What no kernel does is refused here, by its name.
 */
import { MobileNetError, show } from '../../base/errors.js';
import {
  type ActivationNode,
  type AddNode,
  type BatchNormNode,
  type ConcatNode,
  type ConvNode,
  type Graph,
  INPUT,
  type LinearNode,
  type Node,
  type PoolNode,
  type QuantizeNode,
  type RequantizeNode,
  type ResizeNode,
} from '../../graph/nodes.js';
import { centeredRange, type Quantization } from '../../graph/quantization.js';
import { sizeOf, type Value } from '../../graph/values.js';
import { foldFactors } from '../../layers/batch-norm/fold.js';
import type { IntegerWeights } from '../../layers/kernel-i16.js';
import type { AnySpec, FloatStore, FusedActivation, I16Store } from '../../layers/spec.js';
import type { Elements, FloatWeights, I16Weights, StepWeights } from '../engines/engine.js';
import * as whole from './whole-numbers.js';

/** The values that a step reads and writes, by role; weights are made, not read. */
export interface StepValues {
  x: string;
  residual?: string;
  other?: string;
  /** Stands in for the bias where that depends on the picture. */
  bias?: string;
  y: string;
}

/** One step, before a kernel is chosen. */
export interface LoweredStep {
  name: string;
  spec: AnySpec;
  values: StepValues;
  /** Makes the weights; null for a step that has none. Called once a kernel, then kept packed. */
  makeWeights: (() => StepWeights) | null;
}

export interface Lowered {
  values: Map<string, Value>;
  steps: LoweredStep[];
}

/** Looks up a tensor of the checkpoint by name; those of a quantized layer hold whole numbers. */
export type WeightLookup = (name: string) => Elements;

/** @param dims [N,C,H,W] of the input */
export function lower(graph: Graph, dims: readonly [number, number, number, number], weights: WeightLookup): Lowered {
  const lowering = new Lowering(dims, weights, graph.quantizations ?? new Map());
  for (const node of graph.nodes) lowering.add(node);
  return lowering;
}

/** What a layer of whole numbers names. */
type WholeLayer = Pick<ConvNode, 'name' | 'input' | 'weight' | 'bias' | 'weightZeroPoint' | 'biasFrom' | UsedChannels>;
/** What says which channels of a weight a node uses. */
type UsedChannels = 'firstInChannel' | 'inChannels' | 'outChannels';

const CLAMPS: readonly string[] = ['none', 'relu', 'relu6'] satisfies FusedActivation[];

/** What a node becomes: a spec, the value that it makes, and what else its step needs. */
interface Made {
  spec: AnySpec;
  value: Value;
  reads?: Omit<StepValues, 'x' | 'y'>;
  makeWeights?: () => StepWeights;
}

class Lowering implements Lowered {
  readonly values = new Map<string, Value>();
  readonly steps: LoweredStep[] = [];
  readonly #tensors: WeightLookup;
  readonly #quantizations: ReadonlyMap<string, Quantization>;

  constructor(
    [batch, channels, height, width]: readonly [number, number, number, number],
    weights: WeightLookup,
    quantizations: ReadonlyMap<string, Quantization>,
  ) {
    this.values.set(INPUT, { batch, height, width, channels, flat: false });
    this.#tensors = weights;
    this.#quantizations = quantizations;
  }

  add(node: Node): void {
    const { spec, value, reads = {}, makeWeights = null } = this.#lower(node);
    const name = node.label ?? node.name;
    if (!(sizeOf(value) < 2 ** 31)) {
      throw new MobileNetError(
        'LIMIT',
        `${name}: an output of ${show([value.batch, value.height, value.width, value.channels])} is too large; use a smaller picture`,
      );
    }
    this.values.set(node.name, value);
    this.steps.push({ name, spec, values: { x: node.input, ...reads, y: node.name }, makeWeights });
  }

  #lower(node: Node): Made {
    switch (node.op) {
      case 'convolution':
        return this.#convolution(node);
      case 'batch_norm':
        return this.#batchNorm(node);
      case 'activation':
        return this.#activation(node);
      case 'linear':
        return this.#linear(node);
      case 'average_pool':
        return this.#averagePool(node);
      case 'add':
        return this.#add(node);
      case 'resize':
        return this.#resize(node);
      case 'concat':
        return this.#concat(node);
      case 'quantize':
        return this.#quantize(node);
      case 'requantize':
        return this.#requantize(node);
    }
  }

  #convolution(node: ConvNode): Made {
    const reads = {
      ...(node.residual !== undefined && { residual: node.residual }),
      ...(node.biasFrom !== undefined && { bias: node.biasFrom }),
    };
    if (this.#quantizations.has(node.input) && !this.#quantizations.has(node.name)) return this.#sums(node);
    const store = this.#store(node);
    const made = node.kernel === 1 ? this.#pointwise(node, store) : this.#convolution3x3(node, store);
    const makeWeights = () => (store.dtype === 'i16' ? this.#wholeWeights(node) : this.#convWeights(node));
    return { ...made, reads, makeWeights };
  }

  /** Whole numbers that no scale is given for are a bias: sums as they are. */
  #sums(node: ConvNode): Made {
    const { batch, height, width } = this.#value(node.input);
    const { inChannels, outChannels } = node;
    if (node.kernel !== 1 || node.groups !== 1 || height * width !== 1)
      throw unsupported(node.name, describeConv(node));
    const { weights } = this.#wholeType(node);
    return {
      spec: { op: 'sums', dtype: 'i32', weights, batch, inChannels, outChannels },
      value: { batch, height, width, channels: outChannels, flat: false },
      makeWeights: () => this.#wholeWeights(node),
    };
  }

  /** What becomes of a convolution's sums. */
  #store(node: ConvNode): FloatStore | I16Store {
    const activation = fusedActivation(node);
    const to = this.#quantizations.get(node.name);
    if (to === undefined) return { dtype: 'f32', activation };
    if (node.norm !== null || node.bias === null || node.residual !== undefined)
      throw unsupported(node.name, `${describeConv(node)}, of whole numbers`);
    return { ...this.#wholeType(node), ...whole.storeBounds(to, activation) };
  }

  #wholeType({ weight, weightZeroPoint }: WholeLayer): Pick<I16Store, 'dtype' | 'weights'> {
    const isSmall = weightZeroPoint === undefined && this.#tensors(weight) instanceof Int8Array;
    return { dtype: 'i16', weights: isSmall ? 'i8' : 'i16' };
  }

  #pointwise(node: ConvNode, store: FloatStore | I16Store): Made {
    if (node.groups !== 1 || node.stride !== 1) throw unsupported(node.name, describeConv(node));
    const x = this.#value(node.input);
    const { batch, height, width } = x;
    const { inChannels, outChannels } = node;
    const pixels = height * width;
    const sizes = { batch, pixels, inChannels, outChannels, biasPerImage: node.biasFrom !== undefined };
    return {
      spec:
        store.dtype === 'i16'
          ? { op: 'pointwise', ...sizes, ...store }
          : { op: 'pointwise', ...sizes, ...store, residual: node.residual !== undefined },
      value: { batch, height, width, channels: outChannels, flat: false },
    };
  }

  #convolution3x3(node: ConvNode, store: FloatStore | I16Store): Made {
    const { inChannels, outChannels, groups, stride, dilation } = node;
    if (node.residual !== undefined || node.biasFrom !== undefined) throw unsupported(node.name, describeConv(node));
    // The full convolution alone reads the picture as it comes, [N,C,H,W]; that of whole numbers reads what `quantize` made of it.
    const full = groups === 1 && dilation === 1 && (node.input === INPUT || store.dtype === 'i16');
    const { batch, height: inHeight, width: inWidth } = full ? this.#any(INPUT) : this.#value(node.input);
    const rows = paddedOutput(inHeight, node);
    const columns = paddedOutput(inWidth, node);
    const sizes = {
      ...{ batch, inHeight, inWidth, outHeight: rows.size, outWidth: columns.size },
      ...{ stride, padTop: rows.before, padLeft: columns.before },
    };
    const value = { batch, height: rows.size, width: columns.size, channels: outChannels, flat: false };
    if (full) return { spec: { op: 'conv3x3', ...sizes, ...store, inChannels, outChannels }, value };
    if (groups !== inChannels || groups !== outChannels) throw unsupported(node.name, describeConv(node));
    return { spec: { op: 'depthwise3x3', ...sizes, ...store, channels: outChannels, dilation }, value };
  }

  #batchNorm({ input, channels, epsilon, prefix }: BatchNormNode): Made {
    const value = this.#value(input);
    const pixels = value.batch * value.height * value.width;
    return {
      spec: { op: 'batch_norm', dtype: 'f32', pixels, channels, epsilon },
      value,
      makeWeights: () => ({ weights: this.#normTensors(prefix), scale: null, bias: new Float32Array(0) }),
    };
  }

  #activation({ input, function: name }: ActivationNode): Made {
    const value = this.#value(input);
    return { spec: { op: 'activation', dtype: 'f32', size: sizeOf(value), function: name }, value };
  }

  #linear(node: LinearNode): Made {
    const { name, input, inChannels, outChannels, weight, bias } = node;
    const x = this.#value(input);
    const sizes = { batch: x.batch, pixels: x.height * x.width, inChannels, outChannels, biasPerImage: false };
    const value = { ...x, channels: outChannels };
    const to = this.#quantizations.get(name);
    if (to !== undefined) {
      return {
        spec: { op: 'pointwise', ...sizes, ...this.#wholeType(node), ...whole.storeBounds(to) },
        value,
        makeWeights: () => this.#wholeWeights(node),
      };
    }
    return {
      spec: { op: 'pointwise', dtype: 'f32', ...sizes, residual: false, activation: 'none' },
      value,
      makeWeights: () => ({ weights: this.#weights(weight), scale: null, bias: this.#weights(bias) }),
    };
  }

  #averagePool({ name, input, window }: PoolNode): Made {
    const x = this.#value(input);
    const { batch, height: inHeight, width: inWidth, channels } = x;
    const kernelHeight = window === 'global' ? inHeight : Math.min(window, inHeight);
    const kernelWidth = window === 'global' ? inWidth : Math.min(window, inWidth);
    const size = { height: inHeight - kernelHeight + 1, width: inWidth - kernelWidth + 1 };
    const sizes = { batch, inHeight, inWidth, channels, kernelHeight, kernelWidth };
    const [from, to] = [this.#quantizations.get(input), this.#quantizations.get(name)];
    return {
      spec:
        from === undefined || to === undefined
          ? { op: 'average_pool', dtype: 'f32', ...sizes }
          : { op: 'average_pool', dtype: 'i16', ...sizes, ...whole.pooling(from, kernelHeight * kernelWidth, to) },
      value: { ...x, ...size, flat: window === 'global' },
    };
  }

  #add({ name, input, other }: AddNode): Made {
    const value = this.#value(input);
    this.#value(other);
    const size = sizeOf(value);
    const to = this.#quantizations.get(name);
    if (to === undefined) return { spec: { op: 'add', dtype: 'f32', size }, value, reads: { other } };
    const multipliers = whole.addMultipliers(this.#quantization(input), this.#quantization(other), to, name);
    return {
      spec: { op: 'add', dtype: 'i16', size, ...multipliers, ...whole.storeBounds(to) },
      value,
      reads: { other },
    };
  }

  #quantize({ name, input }: QuantizeNode): Made {
    const value = this.#any(input);
    const to = this.#quantization(name);
    const { batch, channels, height, width } = value;
    const sizes = { batch, channels, pixels: height * width };
    const multiplier = Math.fround(1 / Math.fround(to.scale));
    return { spec: { op: 'quantize', dtype: 'i16', ...sizes, multiplier, ...whole.storeBounds(to) }, value };
  }

  #requantize({ name, input }: RequantizeNode): Made {
    const value = this.#value(input);
    const to = this.#quantization(name);
    const multiplier = whole.requantizeMultiplier(this.#quantization(input), to);
    return {
      spec: { op: 'requantize', dtype: 'i16', size: sizeOf(value), multiplier, ...whole.storeBounds(to) },
      value,
    };
  }

  #resize({ name, input, like, alignCorners }: ResizeNode): Made {
    const { batch, height: inHeight, width: inWidth, channels } = this.#value(input);
    const { height, width } = this.#any(like);
    const sizes = { batch, inHeight, inWidth, channels, outHeight: height, outWidth: width, alignCorners };
    const to = this.#quantizations.get(name);
    return {
      spec:
        to === undefined
          ? { op: 'resize_bilinear', dtype: 'f32', ...sizes }
          : { op: 'resize_bilinear', dtype: 'i16', ...sizes, min: centeredRange(to).lo },
      value: { batch, height, width, channels, flat: false },
    };
  }

  #concat({ name, input, other }: ConcatNode): Made {
    const x = this.#value(input);
    const channels2 = this.#value(other).channels;
    const pixels = x.batch * x.height * x.width;
    return {
      spec: {
        op: 'concat',
        dtype: this.#quantizations.has(name) ? 'i16' : 'f32',
        pixels,
        channels1: x.channels,
        channels2,
      },
      value: { ...x, channels: x.channels + channels2 },
      reads: { other },
    };
  }

  /** Weights of whole numbers, counted from 0: those input channels of them that the node uses. */
  #wholeWeights(node: WholeLayer): I16Weights {
    const { name, input, weight, bias, weightZeroPoint: zero } = node;
    const [from, to] = [this.#quantization(input), this.#quantizations.get(name)];
    const raw = this.#tensors(weight) as IntegerWeights;
    const all = zero === undefined ? raw : countedFrom(zero, raw);
    const start = this.#tensors(bias!) as Int32Array;
    // Of a convolution in two parts, both parts and the bias add up to one sum.
    if (node.biasFrom === undefined) whole.refuseOverflow(all, start, from, weight);
    return {
      weights: usedChannels(all, node),
      bias: node.biasFrom === undefined ? start : new Int32Array(0),
      multiplier:
        to === undefined
          ? new Float32Array(0)
          : whole.multipliers(from, this.#weights(`${weight}_scale`), to, `${weight}_scale`),
    };
  }

  /** Weights, bias and batch norm as one: those input channels of them that the node uses. */
  #convWeights(node: ConvNode): FloatWeights {
    const weights = usedChannels(this.#weights(node.weight), node);
    const bias = node.bias === null ? undefined : this.#weights(node.bias);
    const { scale, bias: folded } = this.#folded(node, bias);
    return { weights, scale, bias: node.biasFrom === undefined ? folded : new Float32Array(0) };
  }

  #folded({ norm, outChannels }: ConvNode, bias: Float32Array | undefined): Pick<FloatWeights, 'scale' | 'bias'> {
    if (norm === null) return { scale: null, bias: bias ?? new Float32Array(outChannels) };
    const { prefix, epsilon } = norm;
    return foldFactors({
      bias,
      gamma: this.#weights(`${prefix}.weight`),
      beta: this.#weights(`${prefix}.bias`),
      mean: this.#weights(`${prefix}.running_mean`),
      variance: this.#weights(`${prefix}.running_var`),
      epsilon,
    });
  }

  /** gamma, beta, mean and variance one after another: [4,C]. */
  #normTensors(prefix: string): Float32Array {
    const parts = ['weight', 'bias', 'running_mean', 'running_var'].map((part) => this.#weights(`${prefix}.${part}`));
    const all = new Float32Array(4 * parts[0].length);
    for (const [row, part] of parts.entries()) all.set(part, row * part.length);
    return all;
  }

  /** A value that is NHWC, as all kernels but the first convolution's read it. */
  #value(name: string): Value {
    const value = this.#any(name);
    const isNchw = name === INPUT && value.channels > 1 && value.height * value.width > 1;
    if (isNchw)
      throw unsupported(name, 'the picture read by another layer than a 3×3 convolution over all its channels');
    return value;
  }

  #weights(name: string): Float32Array {
    return this.#tensors(name) as Float32Array;
  }

  #quantization(name: string): Quantization {
    const quantization = this.#quantizations.get(name);
    if (quantization !== undefined) return quantization;
    throw new Error(`${name} has no scale, but a step of whole numbers reads or makes it`);
  }

  #any(name: string): Value {
    const value = this.values.get(name);
    if (value === undefined) throw new Error(`${name} is read before it is made: the graph is not in order`);
    return value;
  }
}

/** Numbers that count from 0. A loop of its own: there are millions of them before a first result. */
function countedFrom(zero: number, raw: IntegerWeights): Int16Array {
  const centered = new Int16Array(raw.length);
  for (let i = 0; i < raw.length; i++) centered[i] = raw[i] - zero;
  return centered;
}

/** Weights [K,C] of those input channels that a node uses. */
function usedChannels<T extends Float32Array | IntegerWeights>(
  all: T,
  { firstInChannel, inChannels, outChannels }: Pick<ConvNode, UsedChannels>,
): T {
  if (firstInChannel === undefined) return all;
  const stored = all.length / outChannels;
  const used = new (all.constructor as new (length: number) => T)(outChannels * inChannels);
  for (let k = 0; k < outChannels; k++) {
    const row = k * stored + firstInChannel;
    used.set(all.subarray(row, row + inChannels), k * inChannels);
  }
  return used;
}

/** The bounds that a convolution's store has. Passes leave no other activation in it. */
function fusedActivation({ name, activation }: ConvNode): FusedActivation {
  const fused = activation === 'linear' ? 'none' : activation;
  if (CLAMPS.includes(fused)) return fused as FusedActivation;
  throw unsupported(name, `a convolution with the activation ${activation} in it`);
}

const describeConv = ({ kernel, stride, dilation, groups, inChannels, outChannels, residual, biasFrom }: ConvNode) =>
  `a ${kernel}×${kernel} convolution of ${inChannels} to ${outChannels} channels in ${groups} groups, stride ${stride}, ` +
  `dilation ${dilation}${residual === undefined ? '' : ', with a residual'}${biasFrom === undefined ? '' : ', with a computed bias'}`;

function unsupported(name: string, what: string): MobileNetError {
  return new MobileNetError('UNSUPPORTED', `${name}: no kernel for ${what}`);
}

/**
 * Zeros before the input and the output's size, along one dimension of a 3×3 convolution.
 *
 * `same` is TensorFlow's rule as transformers' `apply_tf_padding` has it: the padding is worked out from input size and
 * stride for a kernel without dilation, the odd zero goes after the input, and only then both sides are multiplied by the
 * dilation. `symmetric` is PyTorch's (k − 1) / 2 · dilation on both sides.
 */
export function paddedOutput(
  size: number,
  { padding, kernel, stride, dilation }: Pick<ConvNode, 'padding' | 'kernel' | 'stride' | 'dilation'>,
): { before: number; size: number } {
  let before = ((kernel - 1) / 2) * dilation;
  let after = before;
  if (padding === 'same') {
    const along = Math.max(kernel - (size % stride === 0 ? stride : size % stride), 0);
    before = Math.floor(along / 2) * dilation;
    after = (along - Math.floor(along / 2)) * dilation;
  }
  return { before, size: Math.floor((size + before + after - dilation * (kernel - 1) - 1) / stride) + 1 };
}
