/**
 * TFLite files of a MobileNetV2: classifiers as TensorFlow's own and Keras's are converted, and DeepLab. Batch norm has been
 * folded into the convolutions there; here it becomes one that does nothing but add the bias, so that the layers are Hugging
 * Face's. A quantized file stays so, as a state of whole numbers (tflite-state.ts), or becomes real numbers.
 */
import { listNames, MobileNetError } from '../base/errors.js';
import type { StoredTensor } from '../formats/stored.js';
import { normalizationOf } from '../formats/tflite/metadata.js';
import type { TfliteModel, TfliteTensor } from '../formats/tflite/tflite.js';
import { Unpacking } from '../formats/unpacking.js';
import type { Graph } from '../graph/nodes.js';
import type { MobileNetV2ConfigOptions } from '../models/mobilenet-v2/config.js';
import { PREFIX } from '../models/mobilenet-v2/weights.js';
import { addShift, type Mapping, type Preprocessor, permuted, same, zeroFirst, zeros } from './mapping.js';
import { after, type PixelRange, picturesOf, type Scaling } from './pictures.js';
import { realNumbers } from './tflite-constants.js';
import { orderOf, QuantizedState } from './tflite-state.js';
import { type TfliteLayer, type TfliteNetwork, walkTflite } from './tflite-walk.js';

const EPSILON = 0.001;
/** Of the segmentation head's batch norms. */
const HEAD_EPSILON = 1e-5;
const HEAD = /^segmentation_head\./;
const LAST_CONVOLUTION = 'segmentation_head.classifier';
/** The shortest edge of a picture over the side of the crop, as Hugging Face has it for 224. */
const EDGE_OVER_CROP = 256 / 224;

/** @throws MobileNetError UNSUPPORTED listing operators that no MobileNetV2 of Hugging Face has */
export function mapTflite(
  model: TfliteModel,
  file: string,
  { range, head, labels }: { range: PixelRange | undefined; head: boolean; labels: readonly string[] | undefined },
): Mapping {
  const network = walkTflite(model, file, head);
  const { layers, values, architecture, entering } = network;
  const notes: string[] = [];
  const weights: Mapping['weights'] = new Map();
  const unpacking = new Unpacking(file);
  const real = (tensor: TfliteTensor) => realNumbers(tensor, file, unpacking);
  for (const [node, layer] of layers) addLayer(weights, node, layer, real);
  const isBinary = network.output === 'sigmoid' && weights.get('classifier.weight')?.dims[0] === 1;
  if (isBinary) {
    // softmax(0, z) is (1 − σ(z), σ(z)).
    for (const name of ['classifier.weight', 'classifier.bias']) weights.set(name, zeroFirst(weights.get(name)!));
    notes.push('TFLite: one output and a sigmoid become two classes with the same probabilities');
  }
  const first = values.get('pixel_values')!;
  const dtype = first.dtype === 'U8' ? 'uint8' : first.dtype === 'I8' ? 'int8' : undefined;
  if (dtype === undefined && first.dtype !== 'F32') {
    const message = `${file}: expected pixels of uint8, int8 or float32, got ${first.dtype}`;
    throw new MobileNetError('UNSUPPORTED', message, { file, tensor: first.name });
  }
  const quantized = dtype && new QuantizedState(network, dtype, file);
  if (dtype === 'uint8') checkPooling(network, file);
  const classes = weights.get('classifier.weight') ?? weights.get(`${LAST_CONVOLUTION}.convolution.weight`);
  if (labels !== undefined && labels.length !== classes?.dims[0]) {
    notes.push(`TFLite: the file has ${labels.length} names for ${classes?.dims[0] ?? 0} classes, which are left out`);
  }
  return {
    ...{ weights, unmapped: [], needed: [], notes, architecture },
    config: configOf(network, isBinary, file),
    preprocessor: picturesFor(entering, network, range ?? toldBy(model, file), notes),
    labels: labels?.length === classes?.dims[0] ? labels : undefined,
    check: (graph) => checkLayers(graph, network, file),
    quantized: quantized && {
      dtype: quantized.dtype,
      read: () => quantized.read((node) => pathOf(node, architecture), isBinary),
    },
  };
}

/** A node by the name that its tensors have. */
function pathOf(node: string, architecture: TfliteNetwork['architecture']): string {
  if (node === 'classifier' || HEAD.test(node) || architecture === 'MobileNetV2Model') return node;
  return `${PREFIX}${node}`;
}

function addLayer(
  weights: Mapping['weights'],
  node: string,
  layer: TfliteLayer,
  real: (tensor: TfliteTensor) => StoredTensor,
): void {
  const { weight, bias } = layer;
  const source = real(weight);
  const channels = layer.isDepthwise ? weight.dims[3] : weight.dims[0];
  const shift = bias === undefined ? zeros([channels]) : same(real(bias));
  if (node === 'classifier') {
    const { dims } = source;
    const matrix = dims.length === 4 && dims[1] === 1 && dims[2] === 1 ? [dims[0], dims[3]] : dims;
    weights.set('classifier.weight', same(withDims(source, matrix)));
    weights.set('classifier.bias', shift);
    return;
  }
  const path = HEAD.test(node) ? node : `${PREFIX}${node}`;
  weights.set(`${path}.convolution.weight`, permuted(source, orderOf(layer)));
  if (node === LAST_CONVOLUTION) weights.set(`${path}.convolution.bias`, shift);
  else addShift(weights, `${path}.normalization`, shift, HEAD.test(node) ? HEAD_EPSILON : EPSILON);
}

/** The same bytes by other dims; they are still read only when somebody asks for them. */
function withDims(stored: StoredTensor, dims: readonly number[]): StoredTensor {
  return {
    ...{ name: stored.name, dtype: stored.dtype, file: stored.file, offset: stored.offset, dims },
    get bytes() {
      return stored.bytes;
    },
  };
}

function configOf({ layers, output }: TfliteNetwork, isBinary: boolean, file: string): MobileNetV2ConfigOptions {
  const all = [...layers];
  const tf_padding = all.every(([, { pads }]) => pads.same);
  if (!tf_padding && !all.every(([, { pads }]) => pads.symmetric)) {
    const names = all.filter(([, { pads }]) => !pads.same).map(([name]) => name);
    const message = `${file}: expected TensorFlow's padding in every layer, or PyTorch's in every one; not SAME are ${listNames(names, 5)}`;
    throw new MobileNetError('UNSUPPORTED', message, { file, names });
  }
  const reached = all.reduce((product, [name, { stride }]) => (HEAD.test(name) ? product : product * stride), 1);
  // Where it does not fit, the comparison of layers will say which of them is at fault.
  const output_stride = [2, 4, 8, 16].includes(reached) ? reached : 32;
  return {
    tf_padding,
    output_stride,
    layer_norm_eps: EPSILON,
    hidden_act: layers.get('conv_stem.first_conv')!.activation,
    ...(output === 'sigmoid' && !isBinary && { problem_type: 'multi_label_classification' }),
  };
}

/** What a configuration makes of the network must be what the file has: strides, dilations and activations are not in weights. */
function checkLayers(graph: Graph, { layers, values }: TfliteNetwork, file: string): void {
  const wrong: string[] = [];
  const sums = (names: Iterable<string>) => new Set([...names].filter((name) => name.endsWith('.add')));
  const [wanted, found] = [sums(graph.nodes.map(({ name }) => name)), sums(values.keys())];
  for (const name of wanted) if (!found.has(name)) wrong.push(`${name}: missing`);
  for (const name of found) if (!wanted.has(name)) wrong.push(`${name}: not expected`);
  for (const node of graph.nodes) {
    const layer = layers.get(node.name);
    if (layer === undefined) continue;
    const { stride, dilation, activation, kernel } = layer;
    const plain = { stride: 1, dilation: 1, activation: 'linear', kernel: 1 };
    const expects = node.op === 'convolution' ? node : plain;
    for (const [what, got] of Object.entries({ stride, dilation, activation, kernel })) {
      const expected = expects[what as keyof typeof plain];
      if (got !== expected) wrong.push(`${node.name}: ${what} ${got}, not ${expected}`);
    }
  }
  if (wrong.length === 0) return;
  const message = `${file}: no MobileNetV2 of Hugging Face has these layers: ${listNames(wrong, 6, 300)}`;
  throw new MobileNetError('UNSUPPORTED', message, { file, names: wrong });
}

/** Of uint8 the mean is taken of the numbers as they are, which therefore mean the same after it as before. */
function checkPooling({ values }: TfliteNetwork, file: string): void {
  const pairs = [
    ['conv_1x1', 'pooler'],
    ['layer.15.reduce_1x1', 'segmentation_head.avg_pool'],
  ];
  for (const [before, after] of pairs) {
    const [x, y] = [values.get(before), values.get(after)];
    if (x === undefined || y?.quantization === undefined) continue;
    const { scales, zeroPoints } = y.quantization;
    if (scales[0] === x.quantization?.scales[0] && zeroPoints[0] === x.quantization.zeroPoints[0]) continue;
    const message = `${file}: ${y.name}: expected the scale of what is pooled, as uint8 has it, got another`;
    throw new MobileNetError('QUANT', message, { file, tensor: y.name, offset: y.offset });
  }
}

/** What the file's metadata say must happen to a byte of a picture before it enters. */
function toldBy({ metadata }: TfliteModel, file: string): Scaling | undefined {
  const told = metadata && normalizationOf(metadata, file);
  if (told === undefined) return undefined;
  const [mean, std] = [told.mean, told.std].map((values) => [0, 1, 2].map((c) => values[c % values.length]));
  return { scale: std.map((one) => 1 / one), offset: mean.map((one, c) => -one / std[c]) };
}

function picturesFor(
  entering: TfliteTensor,
  { scaling, values, architecture }: TfliteNetwork,
  told: PixelRange | Scaling | undefined,
  notes: string[],
): Preprocessor {
  const [, height, width] = entering.dims;
  const size = [height, width] as const;
  const isSegmenter = architecture === 'MobileNetV2ForSemanticSegmentation';
  const shortest_edge = Math.floor(Math.min(height, width) * (isSegmenter ? 1 : EDGE_OVER_CROP));
  const geometry = { resize: { shortest_edge }, crop: size, resample: 2 };
  const { quantization } = entering;
  if (entering.dtype === 'F32' || quantization === undefined) {
    if (told !== undefined && 'scale' in told) {
      return picturesOf(size, scaling === undefined ? told : after(told, scaling), [0, 255], geometry);
    }
    const enters = told ?? rangeOf(scaling, values.get('pixel_values')!, notes);
    return picturesOf(size, scaling, enters, geometry);
  }
  const [scale] = quantization.scales;
  // An int8 file takes bytes less 128.
  const zero = quantization.zeroPoints[0] + (entering.dtype === 'I8' ? 128 : 0);
  const pictures = picturesOf(size, undefined, [0, 255], geometry);
  return {
    ...pictures,
    // So that byte p becomes scale · (p − zero).
    image_mean: new Array<number>(3).fill(zero / 255),
    image_std: new Array<number>(3).fill(1 / (255 * scale)),
  };
}

/** Between which numbers pixels lie that enter a file of float input, as far as it tells. */
function rangeOf(scaling: Scaling | undefined, pixels: TfliteTensor, notes: string[]): PixelRange {
  if (scaling !== undefined) return [0, 255]; // with layers of its own for that, it takes bytes
  const { quantization } = pixels;
  const low = pixels.dtype === 'I8' ? -128 : 0;
  const ends = [low, low + 255].map((q) => quantization && quantization.scales[0] * (q - quantization.zeroPoints[0]));
  const found = RANGES.find((range) =>
    range.every((end, i) => Math.abs(end - (ends[i] ?? Number.NaN)) < 0.02 * range[1]),
  );
  if (found !== undefined) return found;
  notes.push('TFLite: the file does not say between which numbers pixels lie: −1 to 1 is taken (see pixelRange)');
  return [-1, 1];
}

const RANGES: readonly PixelRange[] = [
  [-1, 1],
  [0, 1],
  [0, 255],
];
