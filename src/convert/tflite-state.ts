/**
 * The state of a quantized network from a TFLite file: weights centered and small, biases int32, and for every value between
 * layers how its numbers stand for real ones.
 *
 *   <layer>.convolution.weight        I8 [K,C/groups,R,S], counted from 0 where they fit so
 *   <layer>.convolution.weight_zero_point   I32 [], what they count from where they do not: of most uint8 layers
 *   <layer>.convolution.weight_scale  F32 [K]
 *   <layer>.convolution.bias          I32 [K], at the scale of input times weight
 *   <node>.scale, <node>.zero_point   F32 and I32 [], of what the node makes
 */
import { MobileNetError, show } from '../base/errors.js';
import { mapped } from '../base/mapped.js';
import { isRowMajor, toRowMajor } from '../formats/strided.js';
import type { TfliteTensor } from '../formats/tflite/tflite.js';
import type { State } from '../models/mobilenet-v2/weights.js';
import { elementCount, rowMajorStrides } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { elementsOf, scaleIndex } from './tflite-constants.js';
import type { TfliteLayer, TfliteNetwork } from './tflite-walk.js';

/** A bias is added to products of input and weight as it is; a scale further from theirs than rounding makes is a fault. */
const SCALES_AGREE = 1e-4;

/** How a layer's weights lie in the file, and how in ours. */
export const orderOf = ({ isDepthwise }: TfliteLayer): readonly number[] => (isDepthwise ? [3, 0, 1, 2] : [0, 3, 1, 2]);

export class QuantizedState {
  readonly dtype: 'uint8' | 'int8';
  readonly #network: TfliteNetwork;
  readonly #file: string;

  /** @throws MobileNetError QUANT, DTYPE naming a tensor */
  constructor(network: TfliteNetwork, dtype: 'uint8' | 'int8', file: string) {
    this.#network = network;
    this.dtype = dtype;
    this.#file = file;
  }

  /**
   * @param pathOf the name of a node, as its tensors have it
   * @param zeroFirst another class before the one that a sigmoid decides about
   */
  read(pathOf: (node: string) => string, zeroFirst: boolean): State {
    const state: State = new Map();
    const { layers, values, architecture } = this.#network;
    for (const [node, layer] of layers) {
      const isLinear = node === 'classifier' && architecture === 'MobileNetV2ForImageClassification';
      const path = isLinear ? node : `${pathOf(node)}.convolution`;
      const { weight, zeroPoint, scale, bias } = this.#layer(layer, isLinear, isLinear && zeroFirst);
      state.set(`${path}.weight`, weight);
      state.set(`${path}.weight_scale`, scale);
      if (zeroPoint !== 0) state.set(`${path}.weight_zero_point`, new Tensor('int32', [zeroPoint], []));
      state.set(`${path}.bias`, bias);
    }
    for (const [node, tensor] of values) {
      const { scales, zeroPoints } = this.#oneScale(tensor);
      const path = node === 'pixel_values' ? node : pathOf(node);
      state.set(`${path}.scale`, new Tensor('float32', [scales[0]], []));
      state.set(`${path}.zero_point`, new Tensor('int32', [zeroPoints[0]], []));
    }
    return state;
  }

  #layer(layer: TfliteLayer, isLinear: boolean, zeroFirst: boolean) {
    const { weight, bias, input } = layer;
    const scales = this.#weightScales(layer);
    const { numbers: centered, zeroPoint } = this.#small(weight);
    const count = scales.length;
    const x = this.#oneScale(input).scales[0];
    const biases = bias === undefined ? new Int32Array(count) : this.#biases(bias, scales, x);
    const dims = isLinear ? [count, centered.length / count] : orderOf(layer).map((d) => weight.dims[d]);
    const before = zeroFirst ? 1 : 0;
    const after = <T extends Int8Array | Int16Array | Int32Array | Float32Array>(
      values: T,
      size: number,
      fill: number,
    ) => {
      const out = new (values.constructor as new (length: number) => T)(before * size + values.length);
      out.fill(fill, 0, before * size);
      out.set(values, before * size);
      return out;
    };
    const ordered = isLinear ? centered : permuted(centered, weight.dims, orderOf(layer));
    const data = after(ordered, elementCount(dims.slice(1)), zeroPoint);
    const outDims = [count + before, ...dims.slice(1)];
    return {
      zeroPoint,
      weight:
        data instanceof Int8Array
          ? new Tensor('int8', data, outDims)
          : new Tensor('int16', data as Int16Array, outDims),
      scale: new Tensor('float32', after(new Float32Array(scales), 1, scales[0]), [count + before]),
      bias: new Tensor('int32', after(biases, 1, 0), [count + before]),
    };
  }

  /** One for each output channel: one for all of them stands for each. */
  #weightScales({ weight, isDepthwise }: TfliteLayer): readonly number[] {
    const { quantization, dims, dtype } = weight;
    const axis = isDepthwise ? 3 : 0;
    if (quantization === undefined || (dtype !== 'I8' && dtype !== 'U8')) {
      return this.#fail(weight, `expected quantized weights of int8 or uint8, got ${dtype}`);
    }
    const { scales, zeroPoints } = quantization;
    if (dtype === 'I8' && zeroPoints.some((zero) => zero !== 0)) {
      this.#fail(weight, 'expected int8 weights around 0, got a zero point');
    }
    if (scales.length === 1) return new Array<number>(dims[axis]).fill(scales[0]);
    if (quantization.axis === axis) return scales;
    return this.#fail(weight, `expected scales along dimension ${axis}, the output channels, got ${quantization.axis}`);
  }

  #biases(bias: TfliteTensor, scales: readonly number[], x: number): Int32Array {
    const { dtype, quantization, dims } = bias;
    if (dtype !== 'I32' || quantization === undefined)
      this.#fail(bias, `expected a bias of quantized int32, got ${dtype}`);
    if (dims.length !== 1 || dims[0] !== scales.length) {
      this.#fail(bias, `expected a bias for each of ${scales.length} channels, got ${show(dims)}`);
    }
    const { scales: own, zeroPoints } = quantization;
    if (zeroPoints.some((zero) => zero !== 0)) this.#fail(bias, 'expected a bias around 0, got a zero point');
    const wrong = scales.findIndex((scale, k) => {
      const product = x * scale;
      return !(Math.abs(product - own[own.length === 1 ? 0 : k]) <= SCALES_AGREE * product);
    });
    if (wrong >= 0) {
      const product = x * scales[wrong];
      this.#fail(
        bias,
        `expected the scale of input times weight, ${product}, at ${wrong}, got ${own[own.length === 1 ? 0 : wrong]}`,
      );
    }
    return elementsOf(bias) as Int32Array;
  }

  #small(weight: TfliteTensor): { numbers: Int8Array | Int16Array; zeroPoint: number } {
    const numbers = elementsOf(weight);
    const { zeroPoints } = weight.quantization!;
    if (weight.dtype === 'I8') return { numbers: numbers as Int8Array, zeroPoint: 0 };
    const index = scaleIndex(weight);
    if (zeroPoints.every((zero) => zero === zeroPoints[0])) return smallUint8(numbers, zeroPoints[0]);
    const wide = mapped(new Int16Array(numbers.length), numbers, (value, i) => value - zeroPoints[index(i)]);
    return { numbers: fitsInt8(wide) ? new Int8Array(wide) : wide, zeroPoint: 0 };
  }

  /** A value between layers: of the network's type, with one scale. */
  #oneScale(tensor: TfliteTensor): { scales: readonly number[]; zeroPoints: readonly number[] } {
    const { quantization, dtype } = tensor;
    const wanted = this.dtype === 'uint8' ? 'U8' : 'I8';
    if (dtype !== wanted || quantization?.axis !== null) {
      const got = quantization === undefined ? `${dtype} without a scale` : `${dtype}`;
      return this.#fail(tensor, `expected ${this.dtype} with one scale, as the other values are, got ${got}`);
    }
    return quantization;
  }

  #fail(tensor: TfliteTensor, message: string): never {
    const { name, offset } = tensor;
    const file = this.#file;
    throw new MobileNetError('QUANT', `${show(name)}: ${message} in ${file}`, { file, tensor: name, offset });
  }
}

const fitsInt8 = (numbers: Int16Array): boolean => numbers.every((value) => value >= -128 && value <= 127);

/** Weights of uint8 in as few bytes as they need: around 0 where they fit into int8 so, else around their own zero point. */
export function smallUint8(numbers: ArrayLike<number>, zeroPoint: number): { numbers: Int8Array; zeroPoint: number } {
  let [least, most] = [255, 0];
  for (let i = 0; i < numbers.length; i++) {
    if (numbers[i] < least) least = numbers[i];
    if (numbers[i] > most) most = numbers[i];
  }
  const middle = least - zeroPoint >= -128 && most - zeroPoint <= 127 ? zeroPoint : 128;
  const small = new Int8Array(numbers.length);
  // A loop of its own: a function that is called for each of millions of weights took a third of the time until a first result.
  for (let i = 0; i < numbers.length; i++) small[i] = numbers[i] - middle;
  return { numbers: small, zeroPoint: zeroPoint - middle };
}

/** The same numbers with their dimensions in another order. */
function permuted<T extends Int8Array | Int16Array>(values: T, dims: readonly number[], order: readonly number[]): T {
  const from = rowMajorStrides(dims);
  const [sizes, strides] = [dims, from].map((list) => order.map((d) => list[d]));
  if (isRowMajor(sizes, strides)) return values; // a 1×1 kernel
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const moved = toRowMajor(bytes, sizes, strides, bytes.length, values.BYTES_PER_ELEMENT);
  return new (values.constructor as new (buffer: ArrayBufferLike) => T)(moved.buffer);
}
