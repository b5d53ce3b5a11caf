/**
 * TFLite files made by code: a writer of FlatBuffers, and networks of any width, type and task. The layers come from the same
 * graph that a model is built from; what a reader should find is kept beside the file.
 */
import type { ConvNode, Graph, Node } from '../../src/graph/nodes.js';
import { type Architecture, GRAPHS } from '../../src/models/mobilenet-v2/checkpoint.js';
import { MobileNetV2Config, type MobileNetV2ConfigOptions } from '../../src/models/mobilenet-v2/config.js';
import { randomNumbers } from './random.js';
import { utf8 } from './weight-files.js';

/** A field of a table, by its number in the schema. */
export type Field =
  | readonly ['i8' | 'u8' | 'i32' | 'u32' | 'f32', number]
  | readonly ['table', Fields]
  | readonly ['tables', readonly Fields[]]
  | readonly ['text', string]
  | readonly ['bytes', Uint8Array]
  | readonly ['i32s' | 'f32s' | 'i64s', readonly number[]];
export type Fields = Readonly<Record<number, Field>>;

const SIZES = { i8: 1, u8: 1, i32: 4, u32: 4, f32: 4 } as const;

/** Tables first, then the bytes of all constants, so that damage to tables is easy to aim. */
export function flatbuffer(root: Fields, identifier = 'TFL3'): { bytes: Uint8Array; tables: number } {
  let bytes = new Uint8Array(1 << 16);
  let view = new DataView(bytes.buffer);
  let end = 8;
  const later: (() => void)[] = [];
  const take = (count: number, align = 4): number => {
    const at = Math.ceil(end / align) * align;
    end = at + count;
    if (end > bytes.length) {
      const more = new Uint8Array(2 * end);
      more.set(bytes);
      bytes = more;
      view = new DataView(bytes.buffer);
    }
    return at;
  };
  const put = (at: number, type: keyof typeof SIZES, value: number) => {
    if (type === 'i8') view.setInt8(at, value);
    else if (type === 'u8') view.setUint8(at, value);
    else if (type === 'i32') view.setInt32(at, value, true);
    else if (type === 'u32') view.setUint32(at, value, true);
    else view.setFloat32(at, value, true);
  };
  const vector = (length: number, size: number): number => {
    // The elements are aligned, not the length before them.
    const at = take(4 + length * size + 8, 8) + (size === 8 ? 4 : 0);
    put(at, 'u32', length);
    return at;
  };
  const child = (field: Field): number => {
    switch (field[0]) {
      case 'table':
        return table(field[1]);
      case 'tables': {
        const at = vector(field[1].length, 4);
        field[1].forEach((fields, i) => {
          const place = at + 4 + 4 * i;
          const to = table(fields);
          put(place, 'u32', to - place);
        });
        return at;
      }
      case 'text': {
        const text = utf8(field[1]);
        const at = vector(text.length, 1);
        bytes.set(text, at + 4);
        return at;
      }
      case 'bytes': {
        const at = vector(field[1].length, 1);
        bytes.set(field[1], at + 4);
        return at;
      }
      default: {
        const [type, values] = field as ['i32s' | 'f32s' | 'i64s', readonly number[]];
        const size = type === 'i64s' ? 8 : 4;
        const at = vector(values.length, size);
        values.forEach((value, i) => {
          const place = at + 4 + size * i;
          if (type === 'i64s') view.setBigInt64(place, BigInt(value), true);
          else put(place, type === 'i32s' ? 'i32' : 'f32', value);
        });
        return at;
      }
    }
  };
  function table(fields: Fields): number {
    const ids = Object.keys(fields).map(Number);
    const count = ids.length === 0 ? 0 : Math.max(...ids) + 1;
    const vtableBytes = 4 + 2 * count;
    const vtable = take(vtableBytes);
    const tableBytes = 4 + 4 * ids.length;
    const at = take(tableBytes);
    view.setUint16(vtable, vtableBytes, true);
    view.setUint16(vtable + 2, tableBytes, true);
    put(at, 'i32', at - vtable);
    ids.forEach((id, i) => {
      const field = fields[id];
      const place = at + 4 + 4 * i;
      view.setUint16(vtable + 4 + 2 * id, place - at, true);
      if (field[0] in SIZES) put(place, field[0] as keyof typeof SIZES, field[1] as number);
      else if (field[0] === 'bytes') later.push(() => put(place, 'u32', child(field) - place));
      else {
        const to = child(field);
        put(place, 'u32', to - place);
      }
    });
    return at;
  }
  const to = table(root);
  put(0, 'u32', to);
  bytes.set(utf8(identifier), 4);
  const tables = end;
  for (const write of later) write();
  return { bytes: bytes.slice(0, end), tables };
}

const TYPES = { F32: 0, F16: 1, I32: 2, U8: 3, I64: 4, I16: 7, I8: 9 } as const;
type Type = keyof typeof TYPES;
const CODES = {
  ...{ ADD: 0, AVERAGE_POOL_2D: 1, CONCATENATION: 2, CONV_2D: 3, DEPTHWISE_CONV_2D: 4, DEQUANTIZE: 6 },
  ...{ FULLY_CONNECTED: 9, LOGISTIC: 14, MUL: 18, RESHAPE: 22, RESIZE_BILINEAR: 23, SOFTMAX: 25, PAD: 34, MEAN: 40 },
  ...{ SUB: 41, ARG_MAX: 56, QUANTIZE: 114 },
} as const;
type Op = keyof typeof CODES | number;

interface TensorOf {
  dims: readonly number[];
  type: Type;
  data?: Uint8Array;
  name?: string;
  scales?: readonly number[];
  zeroPoints?: readonly number[];
  axis?: number;
  signature?: readonly number[];
}

/** Tensors and operators one after another, then the file. */
export class TfliteWriter {
  readonly tensors: TensorOf[] = [];
  readonly operators: {
    op: Op;
    inputs: number[];
    outputs: number[];
    options?: [kind: number, Fields];
    version: number;
  }[] = [];
  inputs: number[] = [];
  outputs: number[] = [];
  metadata: Uint8Array | undefined;

  tensor(tensor: TensorOf): number {
    return this.tensors.push(tensor) - 1;
  }

  operator(op: Op, inputs: number[], outputs: number[], options?: [kind: number, Fields], version = 1): void {
    this.operators.push({ op, inputs, outputs, version, ...(options && { options }) });
  }

  fields(): Fields {
    const codes: [code: number, version: number][] = [];
    const codeOf = (op: Op, version: number): number => {
      const code = typeof op === 'number' ? op : CODES[op];
      const found = codes.findIndex(([c, v]) => c === code && v === version);
      return found >= 0 ? found : codes.push([code, version]) - 1;
    };
    const operators = this.operators.map(
      ({ op, inputs, outputs, options, version }): Fields => ({
        0: ['u32', codeOf(op, version)],
        1: ['i32s', inputs],
        2: ['i32s', outputs],
        ...(options && { 3: ['u8', options[0]] as const, 4: ['table', options[1]] as const }),
      }),
    );
    const buffers: Fields[] = [{}];
    const tensors = this.tensors.map((tensor, i): Fields => {
      const { dims, type, data, name = `tensor ${i}`, scales, zeroPoints, axis, signature } = tensor;
      return {
        0: ['i32s', dims],
        1: ['i8', TYPES[type]],
        2: ['u32', data === undefined ? 0 : buffers.push({ 0: ['bytes', data] }) - 1],
        3: ['text', name],
        ...(signature && { 7: ['i32s', signature] as const }),
        ...(scales && {
          4: [
            'table',
            {
              2: ['f32s', scales],
              3: ['i64s', zeroPoints ?? scales.map(() => 0)],
              ...(axis !== undefined && { 6: ['i32', axis] as const }),
            },
          ] as const,
        }),
      };
    });
    const { metadata } = this;
    const about = metadata === undefined ? undefined : buffers.push({ 0: ['bytes', metadata] }) - 1;
    return {
      0: ['u32', 3],
      1: [
        'tables',
        codes.map(
          ([code, version]): Fields => ({ 0: ['i8', Math.min(code, 127)], 2: ['i32', version], 3: ['i32', code] }),
        ),
      ],
      2: [
        'tables',
        [
          {
            0: ['tables', tensors],
            1: ['i32s', this.inputs],
            2: ['i32s', this.outputs],
            3: ['tables', operators],
          },
        ],
      ],
      4: ['tables', buffers],
      ...(about !== undefined && {
        6: ['tables', [{ 0: ['text', 'other'] }, { 0: ['text', 'TFLITE_METADATA'], 1: ['u32', about] }]] as const,
      }),
    };
  }
}

/** What a file says about its input: tflite-support's schema. */
export const normalizationMetadata = (mean: readonly number[], std: readonly number[]): Uint8Array =>
  flatbuffer(
    {
      0: ['text', 'ImageClassifier'],
      3: [
        'tables',
        [
          {
            2: [
              'tables',
              [{ 4: ['tables', [{ 0: ['u8', 1], 1: ['table', { 0: ['f32s', mean], 1: ['f32s', std] }] }]] }],
            ],
          },
        ],
      ],
    },
    'M001',
  ).bytes;

export interface NetworkOptions {
  dtype: 'uint8' | 'int8' | 'float32';
  architecture?: Architecture;
  config?: MobileNetV2ConfigOptions;
  size?: number;
  /** As Keras converts: MEAN, then a FULLY_CONNECTED; else AVERAGE_POOL_2D and a convolution. */
  keras?: boolean;
  /** Weights as float16 that the file dequantizes first. */
  half?: boolean;
  last?: 'SOFTMAX' | 'LOGISTIC' | undefined;
  /** Changes tensors and operators before they are written. */
  change?: (writer: TfliteWriter) => void;
}

/** What a reader should find, by our names. */
export type Found = Map<string, { data: ArrayLike<number>; dims: readonly number[] }>;

const ACTIVATION: Record<string, number> = { linear: 0, relu: 1, relu6: 3 };

/** A network with random numbers, and its weights, scales and zero points by the names of our state. */
export function tfliteNetwork(options: NetworkOptions) {
  return new Network(options).write();
}

class Network {
  readonly #options: NetworkOptions;
  readonly #config: MobileNetV2Config;
  readonly #graph: Graph;
  readonly #writer = new TfliteWriter();
  readonly #values = new Map<string, number>();
  readonly #found: Found = new Map();
  readonly #next = randomNumbers(1);

  constructor(options: NetworkOptions) {
    this.#options = options;
    const { architecture = 'MobileNetV2ForImageClassification' } = options;
    this.#config = new MobileNetV2Config({
      depth_multiplier: 0.3,
      finegrained_output: false,
      num_labels: 5,
      ...options.config,
    });
    this.#graph = GRAPHS[architecture](this.#config);
  }

  write() {
    const { size = 32, change } = this.#options;
    const writer = this.#writer;
    const input = this.#value('pixel_values', [1, size, size, 3]);
    writer.inputs = [input];
    const isSegmenter = this.#options.architecture === 'MobileNetV2ForSemanticSegmentation';
    for (const node of this.#graph.nodes) if (!(isSegmenter && node.name === 'conv_1x1')) this.#add(node);
    let last = this.#values.get(this.#graph.outputs.get('logits') ?? this.#graph.outputs.get('pooler_output')!)!;
    const { dims } = writer.tensors[last];
    if (isSegmenter) last = this.#resized(last, [size, size]);
    const then = this.#options.last;
    if (then !== undefined) {
      const out = writer.tensor({ ...writer.tensors[last], dims, name: then });
      writer.operator(then, [last], [out], then === 'SOFTMAX' ? [9, { 0: ['f32', 1] }] : undefined);
      last = out;
    }
    writer.outputs = [last];
    change?.(writer);
    return { ...flatbuffer(writer.fields()), found: this.#found, config: this.#config };
  }

  get #type(): Type {
    return ({ uint8: 'U8', int8: 'I8', float32: 'F32' } as const)[this.#options.dtype];
  }

  /** A value between layers. */
  #value(node: string, dims: readonly number[], like?: number): number {
    const type = this.#type;
    const before = like === undefined ? undefined : this.#writer.tensors[like];
    const scale = before?.scales?.[0] ?? Math.fround(0.01 + 0.05 * this.#next());
    const zero = before?.zeroPoints?.[0] ?? Math.floor(256 * this.#next()) - (type === 'I8' ? 128 : 0);
    const quantization = type === 'F32' ? {} : { scales: [scale], zeroPoints: [zero] };
    const index = this.#writer.tensor({ dims, type, name: node, ...quantization });
    this.#values.set(node, index);
    if (type !== 'F32') {
      const path = node === 'pixel_values' ? node : this.#path(node);
      this.#found.set(`${path}.scale`, { data: [scale], dims: [] });
      this.#found.set(`${path}.zero_point`, { data: [zero], dims: [] });
    }
    return index;
  }

  #path(node: string): string {
    const isHead = /^(?:classifier$|segmentation_head)/.test(node);
    return isHead || this.#options.architecture === 'MobileNetV2Model' ? node : `mobilenet_v2.${node}`;
  }

  #add(node: Node): unknown {
    const writer = this.#writer;
    if (node.op === 'batch_norm' || node.op === 'activation' || node.op === 'quantize' || node.op === 'requantize')
      return;
    const input = this.#values.get(node.input)!;
    const { dims } = writer.tensors[input];
    const [, height, width, channels] = dims;
    switch (node.op) {
      case 'convolution':
        return this.#convolution(node, input);
      case 'linear':
        return this.#linear(node, input);
      case 'add': {
        const inputs = [input, this.#values.get(node.other)!];
        return writer.operator('ADD', inputs, [this.#value(node.name, dims)], [11, { 0: ['i8', 0] }]);
      }
      case 'average_pool': {
        // The numbers of uint8 mean the same after it.
        const like = this.#options.keras && this.#options.dtype !== 'uint8' ? undefined : input;
        const out = this.#value(node.name, [1, 1, 1, channels], like);
        if (this.#options.keras) {
          const axes = this.#constant('I32', [2], [1, 2]);
          return writer.operator('MEAN', [input, axes], [out], [27, { 0: ['u8', 1] }]);
        }
        const window: Fields = { 0: ['i8', 1], 1: ['i32', 1], 2: ['i32', 1], 3: ['i32', width], 4: ['i32', height] };
        return writer.operator('AVERAGE_POOL_2D', [input], [out], [5, window]);
      }
      case 'resize': {
        const [, h, w] = writer.tensors[this.#values.get(node.like)!].dims;
        this.#values.set(node.name, this.#resized(input, [h, w], node.name));
        return undefined;
      }
      default: {
        const other = this.#values.get((node as { other: string }).other)!;
        const out = this.#value(node.name, [1, height, width, channels + writer.tensors[other].dims[3]]);
        const { scales, zeroPoints } = writer.tensors[out];
        const brought = [input, other].map((index) => {
          if (this.#type === 'F32') return index;
          const to = writer.tensor({
            ...writer.tensors[index],
            scales: scales!,
            zeroPoints: zeroPoints!,
            name: 'brought',
          });
          writer.operator('QUANTIZE', [index], [to]);
          return to;
        });
        return writer.operator('CONCATENATION', brought, [out], [10, { 0: ['i32', 3] }]);
      }
    }
  }

  #resized(input: number, [height, width]: readonly number[], node = 'resized'): number {
    const writer = this.#writer;
    const channels = writer.tensors[input].dims[3];
    const size = this.#constant('I32', [2], [height, width]);
    const isNode = node !== 'resized';
    const out = isNode
      ? this.#value(node, [1, height, width, channels], input)
      : writer.tensor({ ...writer.tensors[input], dims: [1, height, width, channels], name: node });
    writer.operator('RESIZE_BILINEAR', [input, size], [out], [15, { 2: ['u8', 1] }]);
    return out;
  }

  #constant(type: 'I32', dims: readonly number[], values: readonly number[]): number {
    return this.#writer.tensor({ dims, type, data: new Uint8Array(Int32Array.from(values).buffer) });
  }

  #convolution(node: ConvNode, input: number): void {
    const [, height, width, channels] = this.#writer.tensors[input].dims;
    const { outChannels: K, kernel, stride, dilation, groups } = node;
    const isDepthwise = groups > 1;
    const dims = isDepthwise ? [1, kernel, kernel, K] : [K, kernel, kernel, channels];
    const axis = isDepthwise ? 3 : 0;
    const path = node.weight.replace(/\.weight$/, '');
    const [weight, bias] = this.#weights(path, dims, axis, input, [K, channels / groups, kernel, kernel]);
    const out = this.#value(node.name, [1, Math.ceil(height / stride), Math.ceil(width / stride), K]);
    const geometry: Fields = { 0: ['i8', 0], 1: ['i32', stride], 2: ['i32', stride] };
    const activation: Field = ['i8', ACTIVATION[node.activation]];
    const spread: Field = ['i32', dilation];
    if (isDepthwise) {
      const own: Fields = { ...geometry, 3: ['i32', 1], 4: activation, 5: spread, 6: spread };
      this.#writer.operator('DEPTHWISE_CONV_2D', [input, weight, bias], [out], [2, own], 3);
    } else {
      const own: Fields = { ...geometry, 3: activation, 4: spread, 5: spread };
      this.#writer.operator('CONV_2D', [input, weight, bias], [out], [1, own], 3);
    }
  }

  #linear(node: Extract<Node, { op: 'linear' }>, input: number): void {
    const { inChannels: C, outChannels: K } = node;
    const isKeras = this.#options.keras === true;
    const dims = isKeras ? [K, C] : [K, 1, 1, C];
    const [weight, bias] = this.#weights('classifier', dims, 0, input, [K, C]);
    const out = this.#value(node.name, isKeras ? [1, K] : [1, 1, 1, K]);
    if (isKeras) this.#writer.operator('FULLY_CONNECTED', [input, weight, bias], [out], [8, { 0: ['i8', 0] }], 4);
    else {
      const options: Fields = { 0: ['i8', 0], 1: ['i32', 1], 2: ['i32', 1] };
      this.#writer.operator('CONV_2D', [input, weight, bias], [out], [1, options]);
    }
  }

  /** Weights and bias as the file has them; what they are by our names goes to `found`. */
  #weights(
    path: string,
    dims: readonly number[],
    axis: number,
    input: number,
    ours: readonly number[],
  ): [number, number] {
    const { dtype, half } = this.#options;
    const count = dims.reduce((product, size) => product * size, 1);
    const K = dims[axis];
    const order = (values: ArrayLike<number>) => reordered(values, dims, axis);
    const writer = this.#writer;
    if (dtype === 'float32') {
      const values = Float32Array.from({ length: count }, () => Math.round(64 * (this.#next() - 0.5)) / 64 + 0);
      const shift = Float32Array.from({ length: K }, () => Math.fround(this.#next() - 0.5));
      this.#found.set(`${path}.weight`, { data: order(values), dims: ours });
      this.#found.set(`${path}.bias`, { data: shift, dims: [K] });
      const bias = writer.tensor({ dims: [K], type: 'F32', data: new Uint8Array(shift.buffer) });
      if (!half) return [writer.tensor({ dims, type: 'F32', data: new Uint8Array(values.buffer) }), bias];
      const bits = Uint16Array.from(values, halfBits);
      const packed = writer.tensor({ dims, type: 'F16', data: new Uint8Array(bits.buffer) });
      const weight = writer.tensor({ dims, type: 'F32' });
      writer.operator('DEQUANTIZE', [packed], [weight], undefined, 3);
      return [weight, bias];
    }
    const isUnsigned = dtype === 'uint8';
    const raw = Int16Array.from({ length: count }, () => Math.floor(256 * this.#next()) - (isUnsigned ? 0 : 128));
    const scales = Array.from({ length: isUnsigned ? 1 : K }, () => Math.fround(0.001 + 0.01 * this.#next()));
    const zero = isUnsigned ? 100 + Math.floor(60 * this.#next()) : 0;
    const biases = Int32Array.from({ length: K }, () => Math.floor(20_000 * (this.#next() - 0.5)));
    const x = writer.tensors[input].scales![0];
    const each = Array.from({ length: K }, (_, k) => scales[isUnsigned ? 0 : k]);
    this.#found.set(`${path}.weight`, { data: order(raw.map((value) => value - zero)), dims: ours });
    this.#found.set(`${path}.weight_scale`, { data: each, dims: [K] });
    this.#found.set(`${path}.bias`, { data: biases, dims: [K] });
    const weight = writer.tensor({
      ...{ dims, type: this.#type, data: Uint8Array.from(raw, (value) => value & 255) },
      ...{ scales, zeroPoints: scales.map(() => zero), axis },
    });
    const bias = writer.tensor({
      ...{ dims: [K], type: 'I32', data: new Uint8Array(biases.buffer), axis: 0 },
      scales: scales.map((scale) => Math.fround(x * scale)),
    });
    return [weight, bias];
  }
}

/** [K,R,S,C] or [1,R,S,C] as [K,C,R,S] or [C,1,R,S]. */
function reordered(values: ArrayLike<number>, dims: readonly number[], axis: number): number[] {
  if (dims.length === 2) return Array.from(values);
  const [first, rows, columns, channels] = dims;
  const at = (k: number, r: number, s: number, c: number) => values[((k * rows + r) * columns + s) * channels + c];
  const out: number[] = [];
  const [outer, inner] = axis === 3 ? [channels, 1] : [first, channels];
  for (let k = 0; k < outer; k++)
    for (let c = 0; c < inner; c++)
      for (let r = 0; r < rows; r++)
        for (let s = 0; s < columns; s++) out.push(axis === 3 ? at(0, r, s, k) : at(k, r, s, c));
  return out;
}

/** Of multiples of 1/64 below 1, which float16 holds exactly. */
function halfBits(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = Math.abs(value) / 2 ** exponent - 1;
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | (fraction * 1024);
}

/** A picture through a convolution, a sum and a softmax: little, so that damage hits something. */
export function littleTflite(): Uint8Array {
  const writer = new TfliteWriter();
  const value = (dims: readonly number[], name: string) =>
    writer.tensor({ dims, type: 'U8', name, scales: [0.5], zeroPoints: [3] });
  const x = value([1, 4, 4, 2], 'x');
  const w = writer.tensor({
    ...{ dims: [2, 1, 1, 2], type: 'U8', name: 'w', data: Uint8Array.of(1, 2, 3, 4) },
    ...{ scales: [0.1, 0.2], zeroPoints: [0, 9], axis: 0 },
  });
  const b = writer.tensor({ dims: [2], type: 'I32', data: new Uint8Array(8), scales: [0.05, 0.1], axis: 0 });
  const [y, sum, out] = ['y', 'sum', 'out'].map((name) => value([1, 4, 4, 2], name));
  writer.operator('CONV_2D', [x, w, b], [y], [1, { 1: ['i32', 1], 2: ['i32', 1], 3: ['i8', 3] }]);
  writer.operator('ADD', [x, y], [sum], [11, { 0: ['i8', 0] }]);
  writer.operator('SOFTMAX', [sum], [out], [9, { 0: ['f32', 1] }]);
  writer.inputs = [x];
  writer.outputs = [out];
  return flatbuffer(writer.fields()).bytes;
}
