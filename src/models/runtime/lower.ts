/**
 * From layers to steps: what each node of a graph becomes for one input size. Two ways to go:
 *
 * - unfused, for the reference engine: convolution, batch norm, activation, addition, resize and concatenation each as
 *   a step of its own, exactly as the paper draws them;
 * - fused, for every other engine: batch norm folded into the convolution before it, clamping activations and the
 *   residual into its store, and the pooled branch of the segmentation head into a bias.
 *
 * Both compute the same function, so the first is the oracle of the second.
 */
import { MobileNetError, show } from '../../base/errors.js';
import { foldBatchNorm } from '../../layers/batchnorm.js';
import type { FusedActivation, Scale, Spec } from '../../layers/spec.js';
import {
  type ConcatNode,
  type ConvNode,
  type Graph,
  INPUT,
  inputsOf,
  type LinearNode,
  type Node,
  prune,
  sourceOf,
} from '../graph.js';

/** A tensor inside the network: NHWC, except the input, which is NCHW. */
export interface Value {
  batch: number;
  height: number;
  width: number;
  channels: number;
  /** True behind global pooling, where Hugging Face has [N,C] and not [N,C,1,1]. */
  flat: boolean;
}

export const sizeOf = (v: Value): number => v.batch * v.height * v.width * v.channels;

/** Weights in the checkpoint's order, and what to multiply them by. */
export interface StepWeights {
  weights: Float32Array;
  scale: Scale;
  bias: Float32Array;
}

/** One step, before a kernel is chosen. Operands are names of values. */
export interface LoweredStep {
  name: string;
  spec: Spec;
  x: string;
  /** Second operand: a residual, the other addend, the other half of a concatenation. */
  residual: string | null;
  /** The value that stands in for the bias, where it depends on the image. */
  biasFrom: string | null;
  y: string;
  /** Makes the weights; null for a step that has none. Called once a kernel, then kept packed. */
  makeWeights: (() => StepWeights) | null;
}

export interface Lowered {
  values: Map<string, Value>;
  steps: LoweredStep[];
}

/** Looks up a tensor of the checkpoint by name. */
export type WeightLookup = (name: string) => Float32Array;

export interface LowerOptions {
  graph: Graph;
  /** [N,C,H,W] of the input. */
  dims: readonly [number, number, number, number];
  /** The outputs that are wanted, by public name or node; everything they do not need is dropped. */
  outputs: readonly string[];
  weights: WeightLookup;
  fuse: boolean;
}

export function lower(options: LowerOptions): Lowered {
  const nodes = prune(options.graph, options.outputs);
  return new Lowering(options, nodes).run();
}

const CLAMPS: Record<string, FusedActivation> = { linear: 'none', relu: 'relu', relu6: 'relu6' };

class Lowering {
  readonly values = new Map<string, Value>();
  readonly steps: LoweredStep[] = [];
  /** Nodes that another node's step has taken over. */
  readonly #absorbed = new Set<string>();
  readonly #readers = new Map<string, Node[]>();
  readonly #kept: ReadonlySet<string>;
  readonly #nodes: readonly Node[];
  readonly #weights: WeightLookup;
  readonly #fuse: boolean;

  constructor({ graph, dims, outputs, weights, fuse }: LowerOptions, nodes: readonly Node[]) {
    const [batch, channels, height, width] = dims;
    this.values.set(INPUT, { batch, height, width, channels, flat: false });
    this.#nodes = nodes;
    this.#weights = weights;
    this.#fuse = fuse;
    this.#kept = new Set(outputs.map((output) => sourceOf(graph, output)));
    for (const node of nodes) {
      for (const input of inputsOf(node)) this.#readers.set(input, [...(this.#readers.get(input) ?? []), node]);
    }
  }

  run(): Lowered {
    for (const node of this.#nodes) {
      if (this.#absorbed.has(node.name)) continue;
      switch (node.op) {
        case 'convolution':
          this.#convolution(node);
          break;
        case 'linear':
          this.#linear(node);
          break;
        case 'average_pool': {
          const x = this.#value(node.input);
          const kernelHeight = node.window === 'global' ? x.height : Math.min(node.window, x.height);
          const kernelWidth = node.window === 'global' ? x.width : Math.min(node.window, x.width);
          const { batch, height: inHeight, width: inWidth, channels } = x;
          this.#emit(
            node.name,
            { op: 'average_pool', batch, inHeight, inWidth, channels, kernelHeight, kernelWidth },
            { x: node.input },
            {
              ...x,
              height: inHeight - kernelHeight + 1,
              width: inWidth - kernelWidth + 1,
              flat: node.window === 'global',
            },
          );
          break;
        }
        case 'add': {
          const x = this.#value(node.input);
          this.#emit(node.name, { op: 'add', size: sizeOf(x) }, { x: node.input, residual: node.other }, x);
          break;
        }
        case 'resize': {
          if (this.#spreadOf(node.name) !== null) break; // a bias of the projection instead, see there
          const { batch, height: inHeight, width: inWidth, channels } = this.#value(node.input);
          const { height: outHeight, width: outWidth } = this.#value(node.like);
          const { alignCorners } = node;
          this.#emit(
            node.name,
            { op: 'resize_bilinear', batch, inHeight, inWidth, channels, outHeight, outWidth, alignCorners },
            { x: node.input },
            { batch, height: outHeight, width: outWidth, channels, flat: false },
          );
          break;
        }
        case 'concat': {
          if (this.#spreadOf(node.input) === node) break;
          const x = this.#value(node.input);
          const channels2 = this.#value(node.other).channels;
          this.#emit(
            node.name,
            { op: 'concat', pixels: x.batch * x.height * x.width, channels1: x.channels, channels2 },
            { x: node.input, residual: node.other },
            { ...x, channels: x.channels + channels2 },
          );
          break;
        }
      }
    }
    return { values: this.values, steps: this.steps };
  }

  #convolution(node: ConvNode): void {
    if (!this.#fuse) {
      this.#unfusedConvolution(node);
      return;
    }
    const clamp = CLAMPS[node.activation];
    const pooled = this.#pooledBranch(node);
    if (pooled !== null) {
      this.#projectionOfBranches(node, pooled, clamp ?? 'none');
    } else {
      const add = this.#residualBehind(node);
      if (add !== null) this.#absorbed.add(add.name);
      const residual = add === null ? null : add.input === node.name ? add.other : add.input;
      const { spec, y } = this.#convSpec(node, clamp ?? 'none', residual !== null);
      this.#emit(
        add === null ? node.name : `${node.name} + ${add.name}`,
        spec,
        { x: node.input, residual, makeWeights: () => this.#folded(node) },
        y,
        add === null ? node.name : add.name,
      );
    }
    if (clamp === undefined) this.#activation(node.name, node.activation, node.name, node.name);
  }

  /** Convolution, batch norm and activation one by one. */
  #unfusedConvolution(node: ConvNode): void {
    const { spec, y } = this.#convSpec(node, 'none', false);
    const last = node.activation === 'linear' ? (node.norm === null ? 'convolution' : 'norm') : 'activation';
    let value = last === 'convolution' ? node.name : `${node.name}.convolution`;
    const bias = node.bias === null ? () => new Float32Array(node.outChannels) : () => this.#weights(node.bias!);
    const makeWeights = () => ({ weights: this.#weights(node.weight), scale: null, bias: bias() });
    this.#emit(`${node.name}.convolution`, spec, { x: node.input, makeWeights }, y, value);
    if (node.norm !== null) {
      const { prefix, epsilon } = node.norm;
      const x = value;
      value = last === 'norm' ? node.name : `${node.name}.normalization`;
      this.#emit(
        `${node.name}.normalization`,
        { op: 'batch_norm', pixels: y.batch * y.height * y.width, channels: y.channels, epsilon },
        { x, makeWeights: () => ({ weights: this.#normTensors(prefix), scale: null, bias: new Float32Array(0) }) },
        y,
        value,
      );
    }
    if (last === 'activation') this.#activation(`${node.name}.activation`, node.activation, value, node.name);
  }

  /**
   * conv_projection reads [pooled branch ‖ 1×1 branch], and the pooled branch is the same at every pixel. A matrix
   * product over a concatenation is the sum of two products, W·[p ‖ a] = W₁·p + W₂·a, so W₁·p + bias is computed once
   * an image and becomes the bias of the other half: no resize, no concatenation, half the multiply-adds.
   */
  #projectionOfBranches(node: ConvNode, concat: ConcatNode, activation: FusedActivation): void {
    const resize = this.#nodeNamed(concat.input);
    const pool = inputsOf(resize)[0];
    const c1 = this.#value(pool).channels;
    const c2 = node.inChannels - c1;
    const map = this.#value(concat.other);
    const half = (from: number, count: number, bias: boolean) => (): StepWeights => {
      const folded = this.#folded(node);
      const weights = new Float32Array(node.outChannels * count);
      for (let k = 0; k < node.outChannels; k++) {
        const row = k * node.inChannels + from;
        weights.set(folded.weights.subarray(row, row + count), k * count);
      }
      return { weights, scale: folded.scale, bias: bias ? folded.bias : new Float32Array(0) };
    };
    const shape = { op: 'pointwise', batch: map.batch, outChannels: node.outChannels, residual: false } as const;
    const pooledBias = `${node.name} (pooled branch)`;
    this.#emit(
      pooledBias,
      { ...shape, pixels: 1, inChannels: c1, biasPerImage: false, activation: 'none' },
      { x: pool, makeWeights: half(0, c1, true) },
      { batch: map.batch, height: 1, width: 1, channels: node.outChannels, flat: false },
    );
    this.#emit(
      node.name,
      { ...shape, pixels: map.height * map.width, inChannels: c2, biasPerImage: true, activation },
      { x: concat.other, biasFrom: pooledBias, makeWeights: half(c1, c2, false) },
      { ...map, channels: node.outChannels },
    );
  }

  #linear(node: LinearNode): void {
    const x = this.#value(node.input);
    this.#emit(
      node.name,
      {
        op: 'pointwise',
        batch: x.batch,
        pixels: x.height * x.width,
        inChannels: node.inChannels,
        outChannels: node.outChannels,
        biasPerImage: false,
        residual: false,
        activation: 'none',
      },
      {
        x: node.input,
        makeWeights: () => ({ weights: this.#weights(node.weight), scale: null, bias: this.#weights(node.bias) }),
      },
      { ...x, channels: node.outChannels },
    );
  }

  #activation(name: string, activation: string, x: string, y: string): void {
    const value = this.#value(x);
    this.#emit(name, { op: 'activation', size: sizeOf(value), function: activation }, { x }, value, y);
  }

  /** The convolution's spec and the shape of what it makes. */
  #convSpec(node: ConvNode, activation: FusedActivation, residual: boolean): { spec: Spec; y: Value } {
    const { batch, height: inHeight, width: inWidth } = this.#value(node.input);
    const { inChannels, outChannels, stride, dilation } = node;
    if (node.kernel === 1) {
      const pixels = inHeight * inWidth;
      return {
        spec: { op: 'pointwise', batch, pixels, inChannels, outChannels, biasPerImage: false, residual, activation },
        y: { batch, height: inHeight, width: inWidth, channels: outChannels, flat: false },
      };
    }
    const rows = paddedOutput(inHeight, node);
    const columns = paddedOutput(inWidth, node);
    const y = { batch, height: rows.size, width: columns.size, channels: outChannels, flat: false };
    const sizes = {
      batch,
      inHeight,
      inWidth,
      outHeight: rows.size,
      outWidth: columns.size,
      stride,
      padTop: rows.before,
      padLeft: columns.before,
      activation,
    };
    // Only the first layer is a full 3×3 convolution, and only it reads the input's NCHW.
    if (node.input === INPUT) return { spec: { op: 'conv3x3', ...sizes, inChannels, outChannels }, y };
    return { spec: { op: 'depthwise3x3', ...sizes, channels: outChannels, dilation }, y };
  }

  #folded(node: ConvNode): StepWeights {
    const weights = this.#weights(node.weight);
    const bias = node.bias === null ? undefined : this.#weights(node.bias);
    if (node.norm === null) return { weights, scale: null, bias: bias ?? new Float32Array(node.outChannels) };
    const { prefix, epsilon } = node.norm;
    const folded = foldBatchNorm({
      bias,
      gamma: this.#weights(`${prefix}.weight`),
      beta: this.#weights(`${prefix}.bias`),
      mean: this.#weights(`${prefix}.running_mean`),
      variance: this.#weights(`${prefix}.running_var`),
      epsilon,
    });
    return { weights, ...folded };
  }

  /** gamma, beta, mean and variance one after another: [4,C]. */
  #normTensors(prefix: string): Float32Array {
    const parts = ['weight', 'bias', 'running_mean', 'running_var'].map((part) => this.#weights(`${prefix}.${part}`));
    const all = new Float32Array(4 * parts[0].length);
    for (const [row, part] of parts.entries()) all.set(part, row * part.length);
    return all;
  }

  /** The addition that may move into this convolution's store: its only reader, and nobody asked for the sum's half. */
  #residualBehind(node: ConvNode): Extract<Node, { op: 'add' }> | null {
    const readers = this.#readers.get(node.name) ?? [];
    const add = readers[0];
    const alone = readers.length === 1 && add?.op === 'add' && !this.#kept.has(node.name);
    return alone && node.kernel === 1 && node.activation === 'linear' ? add : null;
  }

  /** The concatenation before a 1×1 convolution whose first half is constant over space; null where there is none. */
  #pooledBranch(node: ConvNode): ConcatNode | null {
    const concat = this.#nodes.find((other) => other.name === node.input);
    return concat?.op === 'concat' && this.#spreadOf(concat.input) === concat ? concat : null;
  }

  /** The concatenation that alone reads this resize of a 1×1 map, before a 1×1 convolution that alone reads it. */
  #spreadOf(name: string): ConcatNode | null {
    if (!this.#fuse) return null;
    const resize = this.#nodes.find((node) => node.name === name);
    if (resize?.op !== 'resize') return null;
    const { height, width } = this.#value(resize.input);
    const [concat, ...others] = this.#readers.get(name) ?? [];
    if (height !== 1 || width !== 1 || concat?.op !== 'concat' || others.length > 0) return null;
    const [conv, ...more] = this.#readers.get(concat.name) ?? [];
    const projection = conv?.op === 'convolution' && conv.kernel === 1 && more.length === 0;
    return projection && !this.#kept.has(name) && !this.#kept.has(concat.name) ? concat : null;
  }

  #nodeNamed(name: string): Node {
    return this.#nodes.find((node) => node.name === name)!;
  }

  #value(name: string): Value {
    const value = this.values.get(name);
    if (value === undefined) throw new Error(`${name} is read before it is made: the graph is not in order`);
    return value;
  }

  #emit(
    name: string,
    spec: Spec,
    operands: { x: string; residual?: string | null; biasFrom?: string; makeWeights?: () => StepWeights },
    value: Value,
    y = name,
  ): void {
    if (!(sizeOf(value) < 2 ** 31)) {
      throw new MobileNetError(
        'LIMIT',
        `${name}: an output of ${show([value.batch, value.height, value.width, value.channels])} is too large; use a smaller picture`,
      );
    }
    this.values.set(y, value);
    this.steps.push({
      name,
      spec,
      x: operands.x,
      residual: operands.residual ?? null,
      biasFrom: operands.biasFrom ?? null,
      y,
      makeWeights: operands.makeWeights ?? null,
    });
  }
}

/**
 * Zeros before the input and the output's size, along one dimension of a 3×3 convolution.
 *
 * `same` is TensorFlow's rule as transformers' `apply_tf_padding` has it: the padding is worked out from input size and
 * stride for a kernel without dilation, the odd zero goes behind, and only then both sides are multiplied by the
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
