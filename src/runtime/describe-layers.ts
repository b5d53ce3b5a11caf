/**
 * A graph's layers as a reader wants them: what each does, makes, holds and costs, and how much of the picture one of
 * its values sees. Shapes alone: no weight is read and no step is run.
 */

import { type ConvNode, type Graph, INPUT, inputsOf, type Node, parametersOf, prune } from '../graph/nodes.js';
import { applyPasses, DRAWN } from '../graph/passes/passes.js';
import type { Value } from '../graph/values.js';
import { multiplyAdds } from '../layers/spec.js';
import { elementCount } from '../tensor/shape.js';
import { lower, paddedOutput } from './compile/lower.js';
import type { InputDims } from './compile/plan.js';

/**
 * What one value of a map sees of the input, along one axis and in its pixels: value `i` sees `size` of them, and the
 * middle of these lies at `start + i · stride`. Pixel 0 has its middle at 0. (Pixels outside the picture are padding.)
 */
export interface ReceptiveField {
  size: number;
  stride: number;
  start: number;
}

/** A layer of a network at one input size. */
export interface Layer {
  /** The checkpoint's name, such as `layer.3.conv_3x3`. */
  name: string;
  op: Node['op'];
  /** `depthwise 3×3, stride 2, norm, relu6` */
  description: string;
  /** [N,C,h,w], [N,C] after global pooling; null for a layer that the task does not use. */
  dims: number[] | null;
  /** What can be learnt by training. The mean and variance of a batch norm are measured, and not counted. */
  parameters: number;
  multiplyAdds: number;
  /** Down and across; null for a layer that is not used, and from where on everything is seen. */
  receptiveField: { height: ReceptiveField; width: ReceptiveField } | null;
}

const LEARNT = new Set(['weight', 'bias', 'norm_weight', 'norm_bias']);

/** The layers of a graph, for an input [N,C,H,W]. @param outputs what the task computes */
export function describeLayers(graph: Graph, dims: InputDims, outputs: readonly string[]): Layer[] {
  const unread = () => new Float32Array(0);
  const { values, steps } = lower(applyPasses(prune(graph, outputs), DRAWN), dims, unread);
  const cost = new Map<string, number>();
  for (const { name, spec } of steps) cost.set(name.replace(/\.convolution$/, ''), multiplyAdds(spec));
  const height = fieldsOf(graph, (name) => values.get(name)?.height);
  const width = fieldsOf(graph, (name) => values.get(name)?.width);
  return graph.nodes.map((node) => {
    const { name, op } = node;
    const value = values.get(name);
    const field = { height: height.get(name), width: width.get(name) };
    return {
      name,
      op,
      description: describe(node),
      dims: value === undefined ? null : dimsOf(value),
      parameters: parametersOf([node])
        .filter(({ role }) => LEARNT.has(role))
        .reduce((sum, parameter) => sum + elementCount(parameter.dims), 0),
      multiplyAdds: cost.get(name) ?? 0,
      receptiveField: field.height && field.width ? { height: field.height, width: field.width } : null,
    };
  });
}

/** Along one axis, given how many values of each map lie along it. */
function fieldsOf(graph: Graph, sizeOf: (name: string) => number | undefined): Map<string, ReceptiveField> {
  const fields = new Map<string, ReceptiveField>([[INPUT, { size: 1, stride: 1, start: 0 }]]);
  for (const node of graph.nodes) {
    const own = inputsOf(node).map((input) => fields.get(input));
    const length = sizeOf(node.input);
    if (length === undefined || own.includes(undefined)) continue;
    const [field, other] = own as ReceptiveField[];
    if (node.op === 'convolution') {
      fields.set(node.name, convolved(field, node, length));
    } else if (node.op === 'add' || node.op === 'concat') {
      fields.set(node.name, field.size > other.size ? field : other);
    } else if (node.op === 'average_pool' && node.window !== 'global') {
      const reach = Math.min(node.window, length) - 1;
      fields.set(node.name, {
        ...field,
        size: field.size + reach * field.stride,
        start: field.start + (reach / 2) * field.stride,
      });
    } else if (node.op === 'linear' || node.op === 'quantize' || node.op === 'requantize') {
      fields.set(node.name, field);
    }
  }
  return fields;
}

function convolved({ size, stride, start }: ReceptiveField, node: ConvNode, length: number): ReceptiveField {
  const reach = (node.kernel - 1) * node.dilation;
  return {
    size: size + reach * stride,
    stride: stride * node.stride,
    start: start + (reach / 2 - paddedOutput(length, node).before) * stride,
  };
}

const dimsOf = ({ batch, channels, height, width, flat }: Value): number[] =>
  flat ? [batch, channels] : [batch, channels, height, width];

function describe(node: Node): string {
  switch (node.op) {
    case 'convolution':
      return describeConvolution(node);
    case 'average_pool':
      return node.window === 'global' ? 'global average pool' : `average pool ${node.window}×${node.window}`;
    case 'resize':
      return 'bilinear resize';
    default:
      return node.op;
  }
}

function describeConvolution({ kernel, groups, stride, dilation, norm, activation }: ConvNode): string {
  const parts = [`${groups > 1 ? 'depthwise' : 'conv'} ${kernel}×${kernel}`];
  if (stride > 1) parts.push(`stride ${stride}`);
  if (dilation > 1) parts.push(`dilation ${dilation}`);
  if (norm !== null) parts.push('norm');
  if (activation !== 'linear') parts.push(activation);
  return parts.join(', ');
}
