/**
 * A network as a list of nodes in the order they run. A node is named as the checkpoint names it, says what it reads and
 * which tensors of the checkpoint it uses, and knows channels but no height or width: the same graph serves every input
 * size. A graph never changes: a pass (passes/) takes one and gives another. What happens next (shapes, kernels, memory)
 * is `runtime/compile`.
 */
import type { Dims } from '../tensor/shape.js';
import type { Quantization } from './quantization.js';

/** The graph's input; the other values have the name of the node that makes them. */
export const INPUT = 'pixel_values';

/** What every node has. */
interface NodeBase {
  /** The value that it makes, by the checkpoint's name for the layer. */
  name: string;
  /** The step that computes it, where that has another name than the value. Passes set it. */
  label?: string;
  input: string;
}

/**
 * Convolution, then batch norm, then the residual's addition, then activation. As models build it, it is MobileNetV2ConvLayer
 * of transformers; `separate` takes it apart, and what the other passes put together again one kernel can compute.
 */
export interface ConvNode extends NodeBase {
  op: 'convolution';
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
  /** A name of layers/activation; 'linear' for none. */
  activation: string;
  /** A value that is added before the activation. Passes set it. */
  residual?: string;
  /** A value [N,1,1,K] that takes the place of the bias. Passes set it. */
  biasFrom?: string;
  /** Of a quantized layer whose weights count from another number than 0. */
  weightZeroPoint?: number;
  /** The first of the weight's input channels that this node uses, where it does not use all. Passes set it. */
  firstInChannel?: number;
}

/** A batch norm by itself: the tensors `<prefix>.{weight,bias,running_mean,running_var}`. */
export interface BatchNormNode extends NodeBase {
  op: 'batch_norm';
  channels: number;
  prefix: string;
  epsilon: number;
}

/** An activation by itself. */
export interface ActivationNode extends NodeBase {
  op: 'activation';
  /** A name of layers/activation. */
  function: string;
}

/** Residual connection. */
export interface AddNode extends NodeBase {
  op: 'add';
  other: string;
}

/** Average pooling over everything, or over a 7×7 window at stride 1 (smaller where the map is smaller). */
export interface PoolNode extends NodeBase {
  op: 'average_pool';
  window: 'global' | 7;
}

/** A linear layer over the channels of every pixel. */
export interface LinearNode extends NodeBase {
  op: 'linear';
  inChannels: number;
  outChannels: number;
  weight: string;
  bias: string;
  weightZeroPoint?: number;
}

/** Bilinear resize to the height and width of another value. */
export interface ResizeNode extends NodeBase {
  op: 'resize';
  like: string;
  alignCorners: boolean;
}

/** Channels of two values side by side. */
export interface ConcatNode extends NodeBase {
  op: 'concat';
  other: string;
}

/** Real numbers to whole ones: the picture, as the quantization of this node's value says. */
export interface QuantizeNode extends NodeBase {
  op: 'quantize';
}

/** Whole numbers to those of another scale. */
export interface RequantizeNode extends NodeBase {
  op: 'requantize';
}

/** A layer, or a part of one. */
export type Node =
  | ConvNode
  | BatchNormNode
  | ActivationNode
  | AddNode
  | PoolNode
  | LinearNode
  | ResizeNode
  | ConcatNode
  | QuantizeNode
  | RequantizeNode;

/** A network as nodes in order; knows no input size. */
export interface Graph {
  inChannels: number;
  nodes: readonly Node[];
  /** Public name of an output, such as `logits` or `hidden_states.9`, to the node that makes it. */
  outputs: ReadonlyMap<string, string>;
  /** How the numbers of a value stand for real ones, by the value's name; those not named are float32. Weights of its node are whole numbers, too. */
  quantizations?: ReadonlyMap<string, Quantization>;
}

/** The values a node reads. */
export function inputsOf(node: Node): string[] {
  switch (node.op) {
    case 'convolution':
      return [node.input, node.residual, node.biasFrom].filter((name) => name !== undefined);
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
const sourceOf = ({ outputs }: Graph, output: string): string => outputs.get(output) ?? output;

/** The graph of the named outputs, public names or nodes, and of nothing that they do not need. */
export function prune(graph: Graph, outputs: Iterable<string>): Graph {
  const wanted = new Map([...outputs].map((output) => [output, sourceOf(graph, output)]));
  const needed = new Set(wanted.values());
  const kept: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!needed.has(node.name)) continue;
    for (const input of inputsOf(node)) needed.add(input);
    kept.push(node);
  }
  return { ...graph, nodes: kept.reverse(), outputs: wanted };
}

export type TensorRole =
  | ('weight' | 'bias' | 'norm_weight' | 'norm_bias' | 'running_mean' | 'running_var')
  | ('weight_scale' | 'weight_zero_point' | 'scale' | 'zero_point');

/** A tensor that the checkpoint of this graph holds. */
export interface Parameter {
  name: string;
  dims: Dims;
  role: TensorRole;
  node: string;
  /** Of whole numbers: the types that it may have. Others are float32. */
  types?: readonly ('int8' | 'int16' | 'int32')[];
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
