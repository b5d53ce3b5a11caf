/**
 * The network of whole numbers: the same layers with batch norm folded into them, weights of 8 or 12 bits, and a scale for
 * every value. What a checkpoint of it holds, and the way back to real numbers.
 *
 * `<layer>.convolution.weight` is int8 or int16; `weight_scale` has a scale for each output channel; `weight_zero_point`, where it
 * is there, is what all of them count from: those of the original uint8 networks need 9 bits when they count from 0. The int32
 * bias has the scale of the input times that of the weights. `<node>.scale` and `.zero_point` say how the raw numbers of the
 * node's value stand for real ones: real = scale · (raw − zero point).
 */
import { MobileNetError, show } from '../../base/errors.js';
import { type ConvNode, type Graph, INPUT, type Node, type Parameter, parametersOf } from '../../graph/nodes.js';
import { type Quantization, RAW_RANGES, type RawType } from '../../graph/quantization.js';
import { elementCount } from '../../tensor/shape.js';
import { Tensor } from '../../tensor/tensor.js';
import { MobileNetV2Config } from './config.js';
import type { State } from './weights.js';

/** `quantization_config.quant_method` of config.json. */
export const QUANT_METHOD = 'mobilenet-v2';
/** The node that makes whole numbers of the picture. */
const PIXELS = 'quantize';

/** The type of a quantized checkpoint's values; undefined for a checkpoint of real numbers. @throws MobileNetError CONFIG */
export function quantizedType({ extra }: MobileNetV2Config): RawType | undefined {
  const about = extra.quantization_config as { quant_method?: unknown; dtype?: unknown } | null | undefined;
  if (typeof about !== 'object' || about === null || about.quant_method !== QUANT_METHOD) return undefined;
  if (typeof about.dtype === 'string' && Object.hasOwn(RAW_RANGES, about.dtype)) return about.dtype as RawType;
  const types = Object.keys(RAW_RANGES).join(', ');
  throw new MobileNetError('CONFIG', `quantization_config.dtype: expected one of ${types}, got ${show(about.dtype)}`, {
    tensor: 'quantization_config',
  });
}

/** What a network of this configuration computes with. */
export const elementsOf = (config: MobileNetV2Config): 'f32' | 'i16' =>
  quantizedType(config) === undefined ? 'f32' : 'i16';

/** The graph of whole numbers whose scales are not known yet: norms are gone, the picture is quantized first. */
export function foldedGraph(graph: Graph): Graph {
  const nodes: Node[] = [{ op: 'quantize', name: PIXELS, input: INPUT }];
  for (const node of graph.nodes) {
    const own = { ...node, input: node.input === INPUT ? PIXELS : node.input };
    nodes.push(own.op === 'convolution' ? folded(own) : own);
  }
  return { ...graph, nodes };
}

/** Whether a graph is one of whole numbers. */
export const isFolded = ({ nodes }: Graph): boolean => nodes[0]?.op === 'quantize';

function folded(conv: ConvNode): ConvNode {
  if (!['relu', 'relu6', 'linear'].includes(conv.activation)) {
    throw new MobileNetError(
      'UNSUPPORTED',
      `${conv.name}: ${conv.activation} has no form for whole numbers, only relu and relu6 have; use the checkpoint in float32`,
    );
  }
  return { ...conv, norm: null, bias: conv.weight.replace(/weight$/, 'bias') };
}

/** Where the scale of a node's value stands in the checkpoint: beside the layer's weights. */
function scalePath(node: Node, prefix: string): string {
  if (node.op === 'quantize') return INPUT;
  if (node.op === 'linear' || node.name.startsWith('segmentation_head.')) return node.name;
  return `${prefix}${node.name}`;
}

/** What stands before the names of the backbone. */
function prefixOf(nodes: readonly Node[]): string {
  const first = nodes.find((node) => node.op === 'convolution') as ConvNode;
  return first.weight.slice(0, first.weight.indexOf(first.name));
}

/** Every tensor that a checkpoint of a folded graph holds. */
export function quantizedParameters({ nodes }: Graph): Parameter[] {
  const prefix = prefixOf(nodes);
  return nodes.flatMap((node): Parameter[] => {
    const of = { node: node.name };
    const path = scalePath(node, prefix);
    const scales: Parameter[] = [
      { ...of, name: `${path}.scale`, dims: [], role: 'scale' },
      { ...of, name: `${path}.zero_point`, dims: [], role: 'zero_point', types: ['int32'] },
    ];
    if (node.op !== 'convolution' && node.op !== 'linear') return scales;
    const { dims } = parametersOf([node]).find(({ role }) => role === 'weight')!;
    return [
      { ...of, name: node.weight, dims, role: 'weight', types: ['int8', 'int16'] },
      { ...of, name: `${node.weight}_scale`, dims: [node.outChannels], role: 'weight_scale' },
      { ...of, name: `${node.weight}_zero_point`, dims: [], role: 'weight_zero_point', types: ['int32'] },
      { ...of, name: node.bias!, dims: [node.outChannels], role: 'bias', types: ['int32'] },
      ...scales,
    ];
  });
}

/**
 * The folded graph with the scales of a state. Where the halves of a concatenation have other scales than it, they are
 * brought to its own first.
 * @throws MobileNetError QUANT naming the tensor, for scales and zero points that cannot be
 */
export function scaledGraph(graph: Graph, state: State, type: RawType): Graph {
  const prefix = prefixOf(graph.nodes);
  const quantizations = new Map<string, Quantization>();
  const zeroPointOf = (weight: string) => Number(state.get(`${weight}_zero_point`)?.data[0] ?? 0);
  for (const node of graph.nodes) {
    const path = scalePath(node, prefix);
    const [scale, zeroPoint] = [state.get(`${path}.scale`), state.get(`${path}.zero_point`)];
    // A part that the task does not read may be left out of a checkpoint: conv_1x1 of a segmenter.
    if (scale !== undefined && zeroPoint !== undefined) {
      quantizations.set(node.name, checked(path, Number(scale.data[0]), Number(zeroPoint.data[0]), type));
    }
    if (node.op === 'convolution' || node.op === 'linear') checkWeights(node.weight, state);
  }
  const nodes = graph.nodes.flatMap((node) => {
    if (node.op === 'convolution' || node.op === 'linear') {
      const weightZeroPoint = zeroPointOf(node.weight);
      return [weightZeroPoint === 0 ? node : { ...node, weightZeroPoint }];
    }
    return node.op === 'concat' ? sameScales(node, quantizations) : [node];
  });
  return { ...graph, nodes, quantizations };
}

function sameScales(node: Extract<Node, { op: 'concat' }>, quantizations: Map<string, Quantization>): Node[] {
  const to = quantizations.get(node.name)!;
  const before: Node[] = [];
  const brought = (input: string): string => {
    const from = quantizations.get(input)!;
    if (from.scale === to.scale && from.zeroPoint === to.zeroPoint) return input;
    const name = `${input}.requantized`;
    before.push({ op: 'requantize', name, input });
    quantizations.set(name, to);
    return name;
  };
  const [input, other] = [brought(node.input), brought(node.other)];
  return [...before, { ...node, input, other }];
}

function checked(path: string, scale: number, zeroPoint: number, type: RawType): Quantization {
  const [min, max] = RAW_RANGES[type];
  if (!(scale > 0 && scale < Infinity)) throw refusal(`${path}.scale`, 'a finite number above 0', scale);
  if (!(zeroPoint >= min && zeroPoint <= max)) {
    throw refusal(`${path}.zero_point`, `a whole number from ${min} to ${max}, as ${type} has them`, zeroPoint);
  }
  return { type, scale, zeroPoint };
}

function checkWeights(weight: string, state: State): void {
  for (const [k, scale] of ((state.get(`${weight}_scale`)?.data as Float32Array | undefined) ?? []).entries()) {
    if (!(scale > 0 && scale < Infinity))
      throw refusal(`${weight}_scale`, `finite numbers above 0, of channel ${k}`, scale);
  }
  const name = `${weight}_zero_point`;
  const zeroPoint = state.get(name)?.data[0] ?? 0;
  const type = state.get(weight)?.type;
  if (zeroPoint === 0 || (type === 'int8' && zeroPoint >= -128 && zeroPoint <= 127)) return;
  throw refusal(name, `${type === 'int8' ? '-128 to 127' : '0'} with weights of ${type}`, Number(zeroPoint));
}

const refusal = (tensor: string, wanted: string, got: unknown): MobileNetError =>
  new MobileNetError('QUANT', `${tensor}: expected ${wanted}, got ${show(got)}`, { tensor });

/** The configuration of the same network in real numbers. */
export function withoutQuantization(config: MobileNetV2Config): MobileNetV2Config {
  const { quantization_config: _, ...fields } = config.to_dict();
  return MobileNetV2Config.from_dict(fields);
}

/**
 * Weights in real numbers, for the float graph: what whole ones stand for, beside batch norms that change nothing.
 * @param graph the folded graph; @param quantized its state
 * @param float the graph that the result is for
 */
export function dequantizedState(graph: Graph, quantized: State, float: Graph): State {
  const state: State = new Map();
  const prefix = prefixOf(graph.nodes);
  const byName = new Map(graph.nodes.map((node) => [node.name, node]));
  for (const node of float.nodes) {
    if (node.op !== 'convolution' && node.op !== 'linear') continue;
    const whole = byName.get(node.name) as ConvNode;
    const [weights, scales] = [quantized.get(whole.weight), quantized.get(`${whole.weight}_scale`)];
    const bias = quantized.get(whole.bias!);
    const from = quantized.get(`${scalePath(byName.get(whole.input)!, prefix)}.scale`);
    if (weights === undefined || scales === undefined || bias === undefined || from === undefined) continue;
    const scaleOf = scales.data as Float32Array;
    state.set(node.weight, realWeights(weights, scaleOf, quantized.get(`${whole.weight}_zero_point`)));
    const inputScale = Number(from.data[0]);
    const real = new Float32Array(bias.size).map((_, k) => Number(bias.data[k]) * inputScale * scaleOf[k]);
    const channels = [bias.size];
    if (node.op === 'linear' || node.norm === null) {
      state.set(node.bias!, new Tensor('float32', real, channels));
      continue;
    }
    // (x − 0) / √(var + ε) · 1 + bias, with a variance that makes the root 1.
    const { prefix: norm, epsilon } = node.norm;
    const all = (value: number) => new Tensor('float32', new Float32Array(bias.size).fill(value), channels);
    state.set(`${norm}.weight`, all(1)).set(`${norm}.bias`, new Tensor('float32', real, channels));
    state.set(`${norm}.running_mean`, all(0)).set(`${norm}.running_var`, all(1 - epsilon));
    state.set(`${norm}.num_batches_tracked`, new Tensor('int64', [0n], []));
  }
  return state;
}

/** A weight of a state in real numbers, whether or not it is quantized; undefined where the state has none. */
export function realWeight(state: State, name: string): Tensor | undefined {
  const [weight, scales] = [state.get(name), state.get(`${name}_scale`)];
  if (weight === undefined || scales === undefined) return weight;
  return realWeights(weight, scales.data as Float32Array, state.get(`${name}_zero_point`));
}

/** Weights [K, …] in real numbers. */
function realWeights({ data, dims }: Tensor, scales: Float32Array, zeroPoint?: Tensor): Tensor<'float32'> {
  const count = elementCount(dims);
  const perChannel = count / scales.length;
  const zero = Number(zeroPoint?.data[0] ?? 0);
  const real = new Float32Array(count);
  for (let i = 0; i < count; i++) real[i] = (Number(data[i]) - zero) * scales[Math.floor(i / perChannel)];
  return new Tensor('float32', real, dims);
}
