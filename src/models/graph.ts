/**
 * A network as a list of layers in the order they run. A node is named as the checkpoint names it, says what it reads
 * and which tensors of the checkpoint it uses, and knows channels but no height or width: the same graph serves every
 * input size. What happens to it next (dropping, folding, fusing, choosing kernels) is `runtime/plan.ts`.
 */
import type { Dims } from '../tensor/shape.js';

/** The graph's input; the other values have the name of the node that makes them. */
export const INPUT = 'pixel_values';

/** Convolution, then batch norm, then activation: MobileNetV2ConvLayer of transformers. */
export interface ConvNode {
  op: 'convolution';
  name: string;
  input: string;
  inChannels: number;
  outChannels: number;
  kernel: 1 | 3;
  stride: 1 | 2;
  dilation: number;
  /** 1, or `inChannels` for a depthwise convolution. */
  groups: number;
  padding: 'same' | 'symmetric';
  weight: string;
  bias: string | null;
  /** The tensors `<prefix>.{weight,bias,running_mean,running_var}` of a batch norm. */
  norm: { prefix: string; epsilon: number } | null;
  /** A name of layers/activation.ts; 'linear' for none. */
  activation: string;
}

/** Residual connection. */
export interface AddNode {
  op: 'add';
  name: string;
  input: string;
  other: string;
}

/** Average pooling over everything, or over a 7×7 window at stride 1 (smaller where the map is smaller). */
export interface PoolNode {
  op: 'average_pool';
  name: string;
  input: string;
  window: 'global' | 7;
}

/** A linear layer over the channels of every pixel. */
export interface LinearNode {
  op: 'linear';
  name: string;
  input: string;
  inChannels: number;
  outChannels: number;
  weight: string;
  bias: string;
}

/** Bilinear resize to the height and width of another value. */
export interface ResizeNode {
  op: 'resize';
  name: string;
  input: string;
  like: string;
  alignCorners: boolean;
}

/** Channels of two values side by side. */
export interface ConcatNode {
  op: 'concat';
  name: string;
  input: string;
  other: string;
}

/** A layer. */
export type Node = ConvNode | AddNode | PoolNode | LinearNode | ResizeNode | ConcatNode;

/** A network as layers in order; knows no input size. */
export interface Graph {
  inChannels: number;
  nodes: readonly Node[];
  /** Public name of an output, such as `logits` or `hidden_states.9`, to the node that makes it. */
  outputs: ReadonlyMap<string, string>;
}

/** The values a node reads. */
export function inputsOf(node: Node): string[] {
  switch (node.op) {
    case 'add':
    case 'concat':
      return [node.input, node.other];
    case 'resize':
      return [node.input, node.like];
    default:
      return [node.input];
  }
}

/** The node that makes an output: one with a public name, or any node by its own. */
export const sourceOf = ({ outputs }: Graph, output: string): string => outputs.get(output) ?? output;

/** The nodes that the named outputs need, in order. */
export function prune(graph: Graph, outputs: Iterable<string>): Node[] {
  const needed = new Set<string>();
  for (const output of outputs) needed.add(sourceOf(graph, output));
  const kept: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!needed.has(node.name)) continue;
    for (const input of inputsOf(node)) needed.add(input);
    kept.push(node);
  }
  return kept.reverse();
}

export type TensorRole = 'weight' | 'bias' | 'norm_weight' | 'norm_bias' | 'running_mean' | 'running_var';

/** A tensor that the checkpoint of this graph holds. */
export interface Parameter {
  name: string;
  dims: Dims;
  role: TensorRole;
  node: string;
}

/** Every tensor of the graph, in the order of PyTorch's state_dict (without `num_batches_tracked`, see weights.ts). */
export function parametersOf(nodes: readonly Node[]): Parameter[] {
  const parameters: Parameter[] = [];
  for (const node of nodes) {
    const add = (name: string, role: TensorRole, dims: Dims) => parameters.push({ name, dims, role, node: node.name });
    if (node.op === 'linear') {
      add(node.weight, 'weight', [node.outChannels, node.inChannels]);
      add(node.bias, 'bias', [node.outChannels]);
    } else if (node.op === 'convolution') {
      add(node.weight, 'weight', [node.outChannels, node.inChannels / node.groups, node.kernel, node.kernel]);
      if (node.bias !== null) add(node.bias, 'bias', [node.outChannels]);
      if (node.norm !== null) {
        add(`${node.norm.prefix}.weight`, 'norm_weight', [node.outChannels]);
        add(`${node.norm.prefix}.bias`, 'norm_bias', [node.outChannels]);
        add(`${node.norm.prefix}.running_mean`, 'running_mean', [node.outChannels]);
        add(`${node.norm.prefix}.running_var`, 'running_var', [node.outChannels]);
      }
    }
  }
  return parameters;
}
