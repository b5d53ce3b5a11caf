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
  type ResizeNode,
} from '../../graph/nodes.js';
import { sizeOf, type Value } from '../../graph/values.js';
import { foldFactors } from '../../layers/batch-norm/fold.js';
import type { FusedActivation, Spec } from '../../layers/spec.js';
import type { StepWeights } from '../engines/engine.js';

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
  spec: Spec;
  values: StepValues;
  /** Makes the weights; null for a step that has none. Called once a kernel, then kept packed. */
  makeWeights: (() => StepWeights) | null;
}

export interface Lowered {
  values: Map<string, Value>;
  steps: LoweredStep[];
}

/** Looks up a tensor of the checkpoint by name. */
export type WeightLookup = (name: string) => Float32Array;

/** @param dims [N,C,H,W] of the input */
export function lower(graph: Graph, dims: readonly [number, number, number, number], weights: WeightLookup): Lowered {
  const lowering = new Lowering(dims, weights);
  for (const name of graph.quantizations?.keys() ?? []) throw unsupported(name, 'a quantized value');
  for (const node of graph.nodes) lowering.add(node);
  return lowering;
}

const CLAMPS: readonly string[] = ['none', 'relu', 'relu6'] satisfies FusedActivation[];

/** What a node becomes: a spec, the value that it makes, and what else its step needs. */
interface Made {
  spec: Spec;
  value: Value;
  reads?: Omit<StepValues, 'x' | 'y'>;
  makeWeights?: () => StepWeights;
}

class Lowering implements Lowered {
  readonly values = new Map<string, Value>();
  readonly steps: LoweredStep[] = [];
  readonly #weights: WeightLookup;

  constructor([batch, channels, height, width]: readonly [number, number, number, number], weights: WeightLookup) {
    this.values.set(INPUT, { batch, height, width, channels, flat: false });
    this.#weights = weights;
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
    }
  }

  #convolution(node: ConvNode): Made {
    const reads = {
      ...(node.residual !== undefined && { residual: node.residual }),
      ...(node.biasFrom !== undefined && { bias: node.biasFrom }),
    };
    const activation = fusedActivation(node);
    const whole = node.kernel === 1 ? this.#pointwise(node, activation) : this.#convolution3x3(node, activation);
    return { ...whole, reads, makeWeights: () => this.#convWeights(node) };
  }

  #pointwise(node: ConvNode, activation: FusedActivation): Made {
    if (node.groups !== 1 || node.stride !== 1) throw unsupported(node.name, describeConv(node));
    const x = this.#value(node.input);
    const { batch, height, width } = x;
    const { inChannels, outChannels } = node;
    const pixels = height * width;
    const operands = { biasPerImage: node.biasFrom !== undefined, residual: node.residual !== undefined };
    return {
      spec: { op: 'pointwise', dtype: 'f32', batch, pixels, inChannels, outChannels, ...operands, activation },
      value: { batch, height, width, channels: outChannels, flat: false },
    };
  }

  #convolution3x3(node: ConvNode, activation: FusedActivation): Made {
    const { inChannels, outChannels, groups, stride, dilation } = node;
    if (node.residual !== undefined || node.biasFrom !== undefined) throw unsupported(node.name, describeConv(node));
    // The full convolution alone reads the picture as it comes, [N,C,H,W].
    const full = groups === 1 && node.input === INPUT && dilation === 1;
    const { batch, height: inHeight, width: inWidth } = full ? this.#any(INPUT) : this.#value(node.input);
    const rows = paddedOutput(inHeight, node);
    const columns = paddedOutput(inWidth, node);
    const sizes = {
      ...({ dtype: 'f32', batch, inHeight, inWidth, outHeight: rows.size, outWidth: columns.size } as const),
      ...{ stride, padTop: rows.before, padLeft: columns.before, activation },
    };
    const value = { batch, height: rows.size, width: columns.size, channels: outChannels, flat: false };
    if (full) return { spec: { op: 'conv3x3', ...sizes, inChannels, outChannels }, value };
    if (groups !== inChannels || groups !== outChannels) throw unsupported(node.name, describeConv(node));
    return { spec: { op: 'depthwise3x3', ...sizes, channels: outChannels, dilation }, value };
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

  #linear({ input, inChannels, outChannels, weight, bias }: LinearNode): Made {
    const x = this.#value(input);
    const sizes = { batch: x.batch, pixels: x.height * x.width, inChannels, outChannels };
    const plain = { biasPerImage: false, residual: false, activation: 'none' } as const;
    return {
      spec: { op: 'pointwise', dtype: 'f32', ...sizes, ...plain },
      value: { ...x, channels: outChannels },
      makeWeights: () => ({ weights: this.#weights(weight), scale: null, bias: this.#weights(bias) }),
    };
  }

  #averagePool({ input, window }: PoolNode): Made {
    const x = this.#value(input);
    const { batch, height: inHeight, width: inWidth, channels } = x;
    const kernelHeight = window === 'global' ? inHeight : Math.min(window, inHeight);
    const kernelWidth = window === 'global' ? inWidth : Math.min(window, inWidth);
    const size = { height: inHeight - kernelHeight + 1, width: inWidth - kernelWidth + 1 };
    return {
      spec: { op: 'average_pool', dtype: 'f32', batch, inHeight, inWidth, channels, kernelHeight, kernelWidth },
      value: { ...x, ...size, flat: window === 'global' },
    };
  }

  #add({ input, other }: AddNode): Made {
    const value = this.#value(input);
    this.#value(other);
    return { spec: { op: 'add', dtype: 'f32', size: sizeOf(value) }, value, reads: { other } };
  }

  #resize({ input, like, alignCorners }: ResizeNode): Made {
    const { batch, height: inHeight, width: inWidth, channels } = this.#value(input);
    const { height, width } = this.#any(like);
    const sizes = { batch, inHeight, inWidth, channels, outHeight: height, outWidth: width };
    return {
      spec: { op: 'resize_bilinear', dtype: 'f32', ...sizes, alignCorners },
      value: { batch, height, width, channels, flat: false },
    };
  }

  #concat({ input, other }: ConcatNode): Made {
    const x = this.#value(input);
    const channels2 = this.#value(other).channels;
    const pixels = x.batch * x.height * x.width;
    return {
      spec: { op: 'concat', dtype: 'f32', pixels, channels1: x.channels, channels2 },
      value: { ...x, channels: x.channels + channels2 },
      reads: { other },
    };
  }

  /** Weights, bias and batch norm as one: those input channels of them that the node uses. */
  #convWeights(node: ConvNode): StepWeights {
    const weights = this.#inputChannels(node);
    const bias = node.bias === null ? undefined : this.#weights(node.bias);
    const { scale, bias: folded } = this.#folded(node, bias);
    return { weights, scale, bias: node.biasFrom === undefined ? folded : new Float32Array(0) };
  }

  #folded({ norm, outChannels }: ConvNode, bias: Float32Array | undefined): Pick<StepWeights, 'scale' | 'bias'> {
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

  #inputChannels({ weight, firstInChannel, inChannels, outChannels }: ConvNode): Float32Array {
    const all = this.#weights(weight);
    if (firstInChannel === undefined) return all;
    const stored = all.length / outChannels;
    const used = new Float32Array(outChannels * inChannels);
    for (let k = 0; k < outChannels; k++) {
      const row = k * stored + firstInChannel;
      used.set(all.subarray(row, row + inChannels), k * inChannels);
    }
    return used;
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

  #any(name: string): Value {
    const value = this.values.get(name);
    if (value === undefined) throw new Error(`${name} is read before it is made: the graph is not in order`);
    return value;
  }
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
