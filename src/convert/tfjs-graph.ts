/**
 * TensorFlow.js graph models of a MobileNetV2 from TensorFlow Hub, which has the names of the authors' own code (slim):
 * `…/MobilenetV2/expanded_conv_3/depthwise/depthwise_weights`. The converter folds each batch norm into its convolution and
 * keeps its shift as `…_bn_offset`; here that becomes a batch norm that does nothing but add it.
 *
 * Source: tfjs-converter 4.22 (fold_batch_norms.py, fuse_prepack.py) and slim's nets/mobilenet/mobilenet_v2.py.
 */

import { listNames, MobileNetError } from '../base/errors.js';
import { isJsonObject, type JsonObject, type JsonValue, jsonNumber, jsonText } from '../base/json.js';
import { type StoredTensor, toFloat32 } from '../formats/stored.js';
import { PREFIX } from '../models/mobilenet-v2/weights.js';
import { elementCount } from '../tensor/shape.js';
import { addShift, type Mapping, permuted, same, zeros } from './mapping.js';
import { after, type PixelRange, picturesOf, type Scaling } from './pictures.js';

const NAME =
  /(?:^|\/)MobilenetV2\/(?:(Conv|Conv_1)|expanded_conv(?:_(\d+))?\/(expand|depthwise|project))\/(?:Conv2D|depthwise)_(weights|bn_offset)$/;
const PARTS: Record<string, string> = { expand: 'expand_1x1', depthwise: 'conv_3x3', project: 'reduce_1x1' };
const EPSILON = 0.001;
/** Operations of a MobileNetV2 with a linear classifier, and those on pixels before it. */
const KNOWN = new Set(
  `Placeholder Const Identity Mul Sub Add AddV2 RealDiv Conv2D DepthwiseConv2dNative _FusedConv2D FusedDepthwiseConv2dNative
   BiasAdd Relu6 AvgPool Mean Squeeze Reshape Flatten MatMul _FusedMatMul Softmax`.split(/\s+/),
);

interface GraphNode {
  name: string;
  op: string;
  inputs: string[];
  attr: JsonObject;
}

export const isSlimGraph = (names: Iterable<string>): boolean => [...names].some((name) => NAME.test(name));

/** @throws MobileNetError UNSUPPORTED naming operations that a MobileNetV2 with one linear classifier does not have */
export function mapTfjsGraph(
  tensors: ReadonlyMap<string, StoredTensor>,
  topology: JsonObject,
  file: string,
  { range, head }: { range: PixelRange | undefined; head: boolean },
): Mapping {
  const nodes = nodesOf(topology);
  const weights: Mapping['weights'] = new Map();
  const rest = new Map(tensors);
  for (const [name, stored] of tensors) {
    const [, whole, block = '0', part, kind] = NAME.exec(name) ?? [];
    if (kind === undefined) continue;
    rest.delete(name);
    const ours = `${PREFIX}${whole === undefined ? layerOf(Number(block), part) : whole === 'Conv' ? 'conv_stem.first_conv' : 'conv_1x1'}`;
    if (kind === 'bn_offset') addShift(weights, `${ours}.normalization`, same(stored), EPSILON);
    else
      weights.set(`${ours}.convolution.weight`, permuted(stored, part === 'depthwise' ? [2, 3, 0, 1] : [3, 2, 0, 1]));
  }
  const products = nodes.filter(({ op }) => op === 'MatMul' || op === '_FusedMatMul');
  const odd = nodes
    .filter(({ op, attr }) => !KNOWN.has(op) || !hasKnownParts(op, attr))
    .map(({ name, op }) => `${op} ${name}`);
  for (const { name, op } of head ? products.slice(1) : []) odd.push(`${op} ${name}, a second one`);
  if (odd.length > 0) {
    const message = `${file}: no MobileNetV2 of Hugging Face does this: ${listNames(odd, 8)}`;
    throw new MobileNetError('UNSUPPORTED', message, { file, names: odd });
  }
  if (head && products.length > 0) addClassifier(products[0], nodes, rest, weights);
  const scaling = takeScaling(nodes, rest);
  // Modules of the Hub take 0 to 1 and make −1 to 1 of it.
  const assumed = scaling === undefined ? ([-1, 1] as const) : ([0, 1] as const);
  const notes =
    range === undefined ? [`TensorFlow.js: pixels are taken to enter as ${assumed.join(' to ')} (see pixelRange)`] : [];
  const size = sizeOf(nodes);
  // Shapes and axes of reshaping are integers, and no weights.
  const unmapped = [...rest]
    .filter(([name, { dtype }]) => dtype !== 'I32' && (head || /MobilenetV2\//.test(name)))
    .map(([name]) => name);
  const read = new Set(nodes.flatMap(({ op, inputs }) => (op === 'Const' ? [] : inputs)));
  return {
    weights,
    unmapped,
    needed: unmapped.filter((name) => read.has(name)),
    config: { tf_padding: true, layer_norm_eps: EPSILON, hidden_act: 'relu6' },
    preprocessor: picturesOf(size, scaling, range ?? assumed),
    notes,
  };
}

/** Block 0 is in our stem. */
const layerOf = (block: number, part: string): string =>
  block === 0 ? `conv_stem.${PARTS[part]}` : `layer.${block - 1}.${PARTS[part]}`;

function addClassifier(
  product: GraphNode,
  nodes: readonly GraphNode[],
  rest: Map<string, StoredTensor>,
  weights: Mapping['weights'],
): void {
  const kernel = rest.get(product.inputs[1]);
  if (kernel === undefined || kernel.dims.length !== 2) return; // what is left over is named later
  const adding = nodes.find(({ op, inputs }) => (op === 'BiasAdd' || op === 'AddV2') && inputs[0] === product.name);
  const biasName = product.inputs[2] ?? adding?.inputs[1] ?? '';
  const bias = rest.get(biasName);
  rest.delete(product.inputs[1]);
  rest.delete(biasName);
  weights.set('classifier.weight', permuted(kernel, [1, 0]));
  weights.set('classifier.bias', bias === undefined ? zeros([kernel.dims[1]]) : same(bias));
}

/** Follows the pixels from the input through arithmetic with constants, and takes those. */
function takeScaling(nodes: readonly GraphNode[], rest: Map<string, StoredTensor>): Scaling | undefined {
  let scaling: Scaling | undefined;
  let value = nodes.find(({ op }) => op === 'Placeholder')?.name;
  const seen = new Set<string>();
  const readers = new Map<string, GraphNode>();
  for (const node of nodes) for (const input of node.inputs) if (!readers.has(input)) readers.set(input, node);
  while (value !== undefined && !seen.has(value)) {
    seen.add(value);
    const node = readers.get(value);
    const first = node?.inputs[0] === value;
    const constantName = node?.inputs[first ? 1 : 0] ?? '';
    const constant = rest.get(constantName);
    const step = constant === undefined ? undefined : stepOf(node!.op, first, constant);
    if (step === undefined) return scaling;
    rest.delete(constantName);
    scaling = after(scaling, step);
    value = node!.name;
  }
  return scaling;
}

function stepOf(op: string, first: boolean, constant: StoredTensor): Scaling | undefined {
  // Looked at before it is unpacked, which a constant may be large enough to cost something for.
  const count = elementCount(constant.dims);
  if (count !== 1 && count !== 3) return undefined;
  const { data } = toFloat32(constant);
  const numbers = [0, 1, 2].map((c) => Number(data[c % data.length]));
  const [ones, nothing] = [numbers.map(() => 1), numbers.map(() => 0)];
  if (op === 'Mul') return { scale: numbers, offset: nothing };
  if (op === 'Add' || op === 'AddV2') return { scale: ones, offset: numbers };
  if (op === 'Sub' && first) return { scale: ones, offset: numbers.map((one) => -one) };
  if (op === 'RealDiv' && first && !numbers.includes(0))
    return { scale: numbers.map((one) => 1 / one), offset: nothing };
  return undefined;
}

function sizeOf(nodes: readonly GraphNode[]): [number, number] | undefined {
  const { shape } = nodes.find(({ op }) => op === 'Placeholder')?.attr ?? {};
  const dims = isJsonObject(shape) && isJsonObject(shape.shape) ? shape.shape.dim : undefined;
  if (!Array.isArray(dims) || dims.length !== 4) return undefined;
  const [, height, width] = dims.map((dim) => (isJsonObject(dim) ? jsonNumber(dim.size) : -1));
  return height > 0 && width > 0 ? [height, width] : undefined;
}

/** Fused into a convolution may be a shift and ReLU6, around it only TensorFlow's SAME. */
function hasKnownParts(op: string, { padding, fused_ops: fused }: JsonObject): boolean {
  if (!op.includes('Conv')) return true;
  const list = isJsonObject(fused) && isJsonObject(fused.list) ? fused.list.s : [];
  const parts = Array.isArray(list) ? list.map(textOf) : [];
  return (
    parts.every((part) => part === 'BiasAdd' || part === 'Relu6') &&
    (padding === undefined || textOf(padding) === 'SAME')
  );
}

/** A string of a graph: base64, perhaps as the `s` of an object. */
function textOf(value: JsonValue): string {
  const text = isJsonObject(value) ? value.s : value;
  return typeof text === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0 ? atob(text) : '';
}

function nodesOf({ node }: JsonObject): GraphNode[] {
  const nodes = Array.isArray(node) ? node.filter(isJsonObject) : [];
  return nodes.map(({ name, op, input, attr }) => ({
    name: jsonText(name),
    op: jsonText(op),
    // A second output is "name:1"; "^name" is an order without data.
    inputs: (Array.isArray(input) ? input : [])
      .map((one) => jsonText(one).replace(/:\d+$/, ''))
      .filter((one) => !one.startsWith('^')),
    attr: isJsonObject(attr) ? attr : {},
  }));
}
