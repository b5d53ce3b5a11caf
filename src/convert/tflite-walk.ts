/**
 * From the operators of a TFLite file to the layers of a MobileNetV2. Files name their tensors as they like, so the layers
 * are found by what reads what: from the picture on, as the network computes.
 */
import { listNames, MobileNetError } from '../base/errors.js';
import { ACTIVATIONS, PADDING } from '../formats/tflite/operators.js';
import type { TfliteModel, TfliteOperator, TfliteTensor } from '../formats/tflite/tflite.js';
import type { Architecture } from '../models/mobilenet-v2/checkpoint.js';
import { after, type Scaling } from './pictures.js';
import { smallConstant } from './tflite-constants.js';

/** A convolution or a linear layer, in the terms of our graph. */
export interface TfliteLayer {
  input: TfliteTensor;
  weight: TfliteTensor;
  /** Undefined where it does without. */
  bias: TfliteTensor | undefined;
  output: TfliteTensor;
  /** [1,R,S,C], and not [K,R,S,C] or [K,C]. */
  isDepthwise: boolean;
  kernel: number;
  stride: number;
  dilation: number;
  activation: string;
  /** Whether it pads as TensorFlow's SAME does, and whether as much on every side; a size may do both. */
  pads: { same: boolean; symmetric: boolean };
}

export interface TfliteNetwork {
  architecture: Architecture;
  /** By the names of our nodes, without `mobilenet_v2.`. */
  layers: Map<string, TfliteLayer>;
  /** What the nodes make, the input (`pixel_values`) too. */
  values: Map<string, TfliteTensor>;
  /** What the pooling is made of: AVERAGE_POOL_2D or MEAN. */
  pooling: string;
  /** What the caller hands in, and what happens to it before it is `pixel_values`. */
  entering: TfliteTensor;
  scaling: Scaling | undefined;
  /** What the file does with the logits: a softmax, a sigmoid, or neither. */
  output: 'softmax' | 'sigmoid' | undefined;
}

const BLOCKS = 16;
const HEAD = 'segmentation_head';
const POOLS = ['AVERAGE_POOL_2D', 'MEAN'];
const CONVOLUTIONS = ['CONV_2D', 'DEPTHWISE_CONV_2D'];
const RESHAPES = ['RESHAPE', 'SQUEEZE'];
/** What may stand after the logits, where it says what a class is and changes nothing else. */
const LAST = [...RESHAPES, 'RESIZE_BILINEAR', 'ARG_MAX', 'SOFTMAX', 'LOGISTIC', 'QUANTIZE', 'DEQUANTIZE', 'CAST'];

/**
 * @param head false: what comes after the backbone is not looked at
 * @throws MobileNetError UNSUPPORTED listing operators that no MobileNetV2 of Hugging Face has
 */
export function walkTflite(model: TfliteModel, file: string, head: boolean): TfliteNetwork {
  return new Walk(model, file).network(head);
}

class Walk {
  readonly #model: TfliteModel;
  readonly #file: string;
  readonly #readers = new Map<TfliteTensor, TfliteOperator[]>();
  readonly #seen = new Set<TfliteOperator>();
  readonly #layers: TfliteNetwork['layers'] = new Map();
  readonly #values: TfliteNetwork['values'] = new Map();
  /** Constants that the file unpacks before it computes with them, by what they become. */
  readonly #unpacked = new Map<TfliteTensor, TfliteTensor>();
  #pooling = '';
  #output: TfliteNetwork['output'];

  constructor(model: TfliteModel, file: string) {
    this.#model = model;
    this.#file = file;
    for (const operator of model.operators) {
      const [first] = operator.inputs;
      if (operator.op === 'DEQUANTIZE' && first?.bytes !== undefined) {
        this.#unpacked.set(operator.outputs[0], first);
        this.#seen.add(operator);
      }
      for (const tensor of new Set(operator.inputs)) {
        if (tensor === undefined) continue;
        const readers = this.#readers.get(tensor);
        if (readers === undefined) this.#readers.set(tensor, [operator]);
        else readers.push(operator);
      }
    }
  }

  network(head: boolean): TfliteNetwork {
    const { inputs, operators } = this.#model;
    if (head) this.#refuseAll(operators.filter((operator) => !operator.isKnown || hasOpenSize(operator)));
    if (inputs.length !== 1) this.#refuse(`expected one input, the picture, got ${inputs.length}`);
    const { value, scaling } = this.#entry(inputs[0]);
    this.#values.set('pixel_values', value);
    const features = this.#backbone(value);
    const isSegmenter = head && this.#waiting(features).some(({ op }) => POOLS.includes(op));
    let hasClassifier = false;
    if (isSegmenter) this.#segmenter(features);
    else hasClassifier = this.#classifier(features, head);
    if (head) this.#refuseAll(operators.filter((operator) => !this.#seen.has(operator)));
    return {
      architecture: isSegmenter
        ? 'MobileNetV2ForSemanticSegmentation'
        : hasClassifier
          ? 'MobileNetV2ForImageClassification'
          : 'MobileNetV2Model',
      layers: this.#layers,
      values: this.#values,
      pooling: this.#pooling,
      entering: inputs[0],
      scaling,
      output: this.#output,
    };
  }

  /** Follows the picture through arithmetic with constants, up to the first layer. */
  #entry(entering: TfliteTensor): { value: TfliteTensor; scaling: Scaling | undefined } {
    let value = entering;
    let scaling: Scaling | undefined;
    for (;;) {
      const [operator, more] = this.#waiting(value);
      if (operator === undefined || more !== undefined) break;
      const { op } = operator;
      const step = op === 'CAST' || op === 'QUANTIZE' ? undefined : this.#stepOf(operator, value);
      if (step === undefined && op !== 'CAST' && op !== 'QUANTIZE') break;
      if (step !== undefined) scaling = after(scaling, step);
      this.#seen.add(operator);
      value = operator.outputs[0];
    }
    return { value, scaling };
  }

  #stepOf({ op, inputs, options }: TfliteOperator, value: TfliteTensor): Scaling | undefined {
    if (op === 'DEQUANTIZE' && value.quantization?.axis === null) {
      const [[scale], [zero]] = [value.quantization.scales, value.quantization.zeroPoints];
      return { scale: [scale, scale, scale], offset: [-zero * scale, -zero * scale, -zero * scale] };
    }
    const first = inputs[0] === value;
    const constant = inputs[first ? 1 : 0];
    const numbers = constant?.dtype === 'F32' ? smallConstant(constant) : undefined;
    if (options.activation !== 0 || (numbers?.length !== 1 && numbers?.length !== 3)) return undefined;
    const of = [0, 1, 2].map((c) => numbers[c % numbers.length]);
    const [ones, nothing] = [of.map(() => 1), of.map(() => 0)];
    if (op === 'MUL') return { scale: of, offset: nothing };
    if (op === 'ADD') return { scale: ones, offset: of };
    if (op === 'SUB' && first) return { scale: ones, offset: of.map((one) => -one) };
    if (op === 'DIV' && first && !of.includes(0)) return { scale: of.map((one) => 1 / one), offset: nothing };
    return undefined;
  }

  #backbone(picture: TfliteTensor): TfliteTensor {
    let value = this.#convolution(picture, 'conv_stem.first_conv', 'CONV_2D');
    value = this.#convolution(value, 'conv_stem.conv_3x3', 'DEPTHWISE_CONV_2D');
    value = this.#convolution(value, 'conv_stem.reduce_1x1', 'CONV_2D');
    for (let i = 0; i < BLOCKS; i++) {
      const input = value;
      value = this.#convolution(value, `layer.${i}.expand_1x1`, 'CONV_2D');
      value = this.#convolution(value, `layer.${i}.conv_3x3`, 'DEPTHWISE_CONV_2D');
      value = this.#convolution(value, `layer.${i}.reduce_1x1`, 'CONV_2D');
      // The next block's sum reads the value too, as that block's input.
      const sum = this.#waiting(value).find(({ op, inputs }) => op === 'ADD' && inputs.includes(input));
      if (sum === undefined) continue;
      if (sum.options.activation !== 0) this.#refuse(`layer.${i}.add: an activation after it: ${nameOf(sum)}`);
      value = this.#take(sum, `layer.${i}.add`);
    }
    return value;
  }

  /** @returns whether there is one; without, the network ends with the pooling, or before it */
  #classifier(features: TfliteTensor, head: boolean): boolean {
    let value = this.#convolution(features, 'conv_1x1', 'CONV_2D');
    const pool = this.#waiting(value).find(({ op }) => POOLS.includes(op));
    if (pool === undefined) {
      if (head) this.#end(value);
      return false;
    }
    value = this.#pool(pool, 'pooler', value);
    if (!head) return false;
    while (this.#next(value, RESHAPES) !== undefined) value = this.#take(this.#next(value, RESHAPES)!);
    const linear = this.#next(value, ['CONV_2D', 'FULLY_CONNECTED']);
    if (linear !== undefined) value = this.#addLayer('classifier', linear, value);
    this.#end(value);
    return linear !== undefined;
  }

  #segmenter(features: TfliteTensor): void {
    const pool = this.#waiting(features).find(({ op }) => POOLS.includes(op))!;
    let pooled = this.#pool(pool, `${HEAD}.avg_pool`, features);
    pooled = this.#convolution(pooled, `${HEAD}.conv_pool`, 'CONV_2D');
    const resize = this.#next(pooled, ['RESIZE_BILINEAR']) ?? this.#refuseAfter('conv_pool', pooled);
    pooled = this.#requantized(this.#take(resize, `${HEAD}.resize`));
    const aspp = this.#requantized(this.#convolution(features, `${HEAD}.conv_aspp`, 'CONV_2D'));
    const concat = this.#next(pooled, ['CONCATENATION']) ?? this.#refuseAfter('resize', pooled);
    const { inputs, options } = concat;
    if (inputs.length !== 2 || inputs[0] !== pooled || inputs[1] !== aspp || !isLastAxis(options.axis, pooled)) {
      this.#refuse(`segmentation_head: joins other values than pooled and unpooled features: ${nameOf(concat)}`);
    }
    const both = this.#take(concat, `${HEAD}.concat`);
    const projected = this.#convolution(both, `${HEAD}.conv_projection`, 'CONV_2D');
    this.#end(this.#convolution(projected, `${HEAD}.classifier`, 'CONV_2D'));
  }

  /** The same numbers at another scale. */
  #requantized(value: TfliteTensor): TfliteTensor {
    const operator = this.#next(value, ['QUANTIZE']);
    return operator === undefined ? value : this.#take(operator);
  }

  #pool(operator: TfliteOperator, name: string, value: TfliteTensor): TfliteTensor {
    const { op, inputs, options } = operator;
    const [, height, width] = value.dims;
    const isGlobal =
      op === 'MEAN'
        ? smallConstant(inputs[1])?.sort().join() === '1,2'
        : options.filterH === height && options.filterW === width && options.padding === PADDING.VALID;
    const out = operator.outputs[0].dims;
    const isOne = isGlobal || (out.length === 4 && out[1] === 1 && out[2] === 1);
    if (!isOne || (op === 'AVERAGE_POOL_2D' && !(isGlobal && options.activation === 0))) {
      this.#refuse(`${name}: pools over less than everything: ${nameOf(operator)}`);
    }
    this.#pooling = op;
    return this.#take(operator, name);
  }

  /** What comes after the logits may say which class it is, and nothing else. */
  #end(logits: TfliteTensor): void {
    let value = logits;
    for (;;) {
      const operator = this.#next(value, LAST);
      if (operator === undefined) break;
      const { op, options, inputs } = operator;
      if (op === 'SOFTMAX' && options.beta !== 1) this.#refuse(`a softmax with beta ${options.beta}`);
      if (op === 'ARG_MAX' && !isLastAxis(smallConstant(inputs[1])?.[0], value)) {
        this.#refuse('ARG_MAX: its largest is not over the classes');
      }
      if (op === 'SOFTMAX') this.#output = 'softmax';
      else if (op === 'LOGISTIC') this.#output = 'sigmoid';
      value = this.#take(operator);
    }
    if (!this.#model.outputs.includes(value)) this.#refuseAfter('the logits', value);
  }

  /** The convolution that reads a value, and the padding before it. */
  #convolution(value: TfliteTensor, name: string, op: string): TfliteTensor {
    const pad = this.#next(value, ['PAD']);
    const input = pad === undefined ? value : this.#take(pad);
    const operator = this.#next(input, CONVOLUTIONS) ?? this.#refuseAfter(name, value);
    if (operator.op !== op) this.#refuse(`${name}: expected ${op}, got ${nameOf(operator)}`);
    return this.#addLayer(name, operator, value, pad);
  }

  #addLayer(name: string, operator: TfliteOperator, value: TfliteTensor, pad?: TfliteOperator): TfliteTensor {
    const { op, inputs, outputs, options } = operator;
    const activation = ACTIVATIONS[options.activation];
    const weight = this.#constant(inputs[1]);
    const isLinear = op === 'FULLY_CONNECTED';
    const { strideH: stride = 1, dilationH: dilation = 1 } = options;
    const isSquare = isLinear || (options.strideW === stride && options.dilationW === dilation);
    const isDepthwise = op === 'DEPTHWISE_CONV_2D';
    const rank = isLinear ? 2 : 4;
    if (activation === undefined || !isSquare || weight?.dims.length !== rank || options.weightsFormat) {
      return this.#refuse(`${name}: ${nameOf(operator)} is no layer of a MobileNetV2`);
    }
    const kernel = isLinear ? 1 : weight.dims[1];
    if (!isLinear && weight.dims[2] !== kernel) this.#refuse(`${name}: its kernel is not square`);
    const bias = inputs[2] === undefined ? undefined : this.#constant(inputs[2]);
    if (inputs[2] !== undefined && bias === undefined) this.#refuse(`${name}: its bias is not a constant`);
    const sizes = { input: value.dims, output: outputs[0].dims, kernel, stride, dilation };
    const pads = isLinear ? { same: true, symmetric: true } : this.#padsOf(sizes, options.padding, pad, name);
    const output = this.#take(operator, name);
    this.#layers.set(name, {
      ...{ input: value, weight, bias, output, isDepthwise, kernel, stride, dilation, activation, pads },
    });
    return output;
  }

  #padsOf(
    { input, output, kernel, stride, dilation }: Sizes,
    padding: number,
    pad: TfliteOperator | undefined,
    name: string,
  ): TfliteLayer['pads'] {
    if (input.length !== 4 || output.length !== 4 || stride < 1 || dilation < 1) {
      return this.#refuse(`${name}: expected pictures of four dimensions`);
    }
    const wanted = [1, 2].map((d) => samePads(input[d], kernel, stride, dilation));
    const half = (dilation * (kernel - 1)) / 2;
    let pads = padding === PADDING.SAME ? wanted : [0, 0].map(() => [0, 0]);
    if (pad !== undefined) {
      const amounts = smallConstant(pad.inputs[1]) ?? [];
      if (amounts.length !== 8 || padding === PADDING.SAME) this.#refuse(`${name}: ${nameOf(pad)} pads otherwise`);
      pads = [1, 2].map((d) => [amounts[2 * d], amounts[2 * d + 1]]);
    }
    return {
      same: pads.every(([before, after], d) => before === wanted[d][0] && after === wanted[d][1]),
      symmetric: pads.every(([before, after]) => before === half && after === half),
    };
  }

  #constant(tensor: TfliteTensor | undefined): TfliteTensor | undefined {
    const found = (tensor && this.#unpacked.get(tensor)) ?? tensor;
    return found?.bytes === undefined ? undefined : found;
  }

  /** Operators that read a value and were not met yet. */
  #waiting(value: TfliteTensor): TfliteOperator[] {
    return (this.#readers.get(value) ?? []).filter((operator) => !this.#seen.has(operator));
  }

  #next(value: TfliteTensor, ops: readonly string[]): TfliteOperator | undefined {
    return this.#waiting(value).find(({ op }) => ops.includes(op));
  }

  /** An operator has found its place. */
  #take(operator: TfliteOperator, name?: string): TfliteTensor {
    this.#seen.add(operator);
    const [output] = operator.outputs;
    if (output === undefined || operator.outputs.length > 1) this.#refuse(`${operator.op}: expected one output`);
    if (name !== undefined) this.#values.set(name, output);
    return output;
  }

  #refuseAfter(name: string, value: TfliteTensor): never {
    const names = this.#waiting(value).map(nameOf);
    return this.#refuse(
      `${name}: got ${names.length === 0 ? 'nothing that reads its input' : listNames(names, 3, 150)}`,
    );
  }

  #refuseAll(operators: readonly TfliteOperator[]): void {
    if (operators.length === 0) return;
    const names = operators.map(nameOf);
    this.#refuse(listNames(names, 8, 300), names);
  }

  #refuse(message: string, names?: readonly string[]): never {
    const file = this.#file;
    throw new MobileNetError('UNSUPPORTED', `${file}: no MobileNetV2 of Hugging Face does this: ${message}`, {
      ...{ file, names },
    });
  }
}

interface Sizes {
  input: readonly number[];
  output: readonly number[];
  kernel: number;
  stride: number;
  dilation: number;
}

/** TensorFlow's SAME: as many pixels as make the output ⌈size / stride⌉, the odd one after. */
function samePads(size: number, kernel: number, stride: number, dilation: number): number[] {
  const reach = dilation * (kernel - 1) + 1;
  const total = Math.max((Math.ceil(size / stride) - 1) * stride + reach - size, 0);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

const isLastAxis = (axis: number | undefined, { dims }: TfliteTensor): boolean =>
  axis === dims.length - 1 || axis === -1;

const hasOpenSize = ({ inputs, outputs }: TfliteOperator): boolean =>
  [...inputs, ...outputs].some((tensor) => tensor?.dims.includes(-1));

function nameOf(operator: TfliteOperator): string {
  const { op, version, isKnown, outputs } = operator;
  const what = isKnown ? op : `${op} (version ${version})`;
  const open = hasOpenSize(operator) ? ' of open size' : '';
  const name = outputs[0]?.name ?? '';
  return `${what}${open} ${name.length > 60 ? `${name.slice(0, 59)}…` : name}`;
}
