/**
 * What every name map gives: the weights of a framework's checkpoint under our names, what is left over, and what its files
 * say about network and pictures. Only shapes are looked at here; numbers are read when all is known to fit.
 */

import { mapped } from '../base/mapped.js';
import type { StoredTensor } from '../formats/stored.js';
import { isRowMajor, toRowMajor } from '../formats/strided.js';
import type { Graph } from '../graph/nodes.js';
import type { Architecture } from '../models/mobilenet-v2/checkpoint.js';
import type { MobileNetV2ConfigOptions } from '../models/mobilenet-v2/config.js';
import { type State, type WeightSource, weightSource } from '../models/mobilenet-v2/weights.js';
import { elementCount, rowMajorStrides } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';

export interface Mapping {
  /** By the names of Hugging Face's classifier, with `mobilenet_v2.` before the backbone's. */
  weights: Map<string, WeightSource>;
  /** Names of the source, as it has them, that stand for nothing in a MobileNetV2. */
  unmapped: string[];
  /** Those of a head that is more than one linear layer: without them its results would be others. */
  needed: string[];
  /** Fields of config.json that the source decides. */
  config: MobileNetV2ConfigOptions;
  /** preprocessor_config.json, as far as the source decides it. */
  preprocessor: Preprocessor;
  /** What was assumed, in whole sentences. */
  notes: string[];
  /** What the network is for, where its classifier does not tell. */
  architecture?: Architecture;
  /** Names of the classes, where the file has them. */
  labels?: readonly string[] | undefined;
  /** Compares what the weights do not show with the network that comes out. @throws MobileNetError UNSUPPORTED */
  check?: (graph: Graph) => void;
  /** Of a quantized network: its type, and its state in whole numbers. `weights` are the real ones they stand for. */
  quantized?: Quantized | undefined;
}

/** What there is of a network in whole numbers. */
export interface Quantized {
  dtype: 'uint8' | 'int8';
  /** Where pictures are prepared otherwise than for the real ones. */
  preprocessor?: Preprocessor;
  /** @param graph the same network in real numbers */
  read(graph: Graph): State;
}

/** How pictures become pixel values: the fields of preprocessor_config.json that differ between frameworks. */
export interface Preprocessor {
  do_resize: boolean;
  size: { shortest_edge: number } | { height: number; width: number };
  /** Pillow's number of the filter: 0 nearest, 2 bilinear, 3 bicubic. */
  resample: number;
  do_center_crop: boolean;
  crop_size: { height: number; width: number };
  do_rescale: boolean;
  rescale_factor: number;
  do_normalize: boolean;
  image_mean: number[];
  image_std: number[];
}

/** Our names of a batch norm's parts, in the order of every framework: scale, shift, mean, variance. */
export const NORM_PARTS = ['weight', 'bias', 'running_mean', 'running_var'] as const;

/** A tensor as it is. */
export const same = (stored: StoredTensor): WeightSource => weightSource(stored, false);

/** A tensor with its dimensions in another order: dimension d of the result is `order[d]` of the source. */
export function permuted(stored: StoredTensor, order: readonly number[]): WeightSource {
  const plain = same(stored);
  const strides = rowMajorStrides(stored.dims);
  const dims = order.map((d) => stored.dims[d]);
  const moved = order.map((d) => strides[d]);
  // Of a 1×1 kernel the elements stay where they are.
  if (isRowMajor(dims, moved)) return { ...plain, dims, read: () => new Tensor('float32', plain.read().data, dims) };
  return {
    ...plain,
    dims,
    read() {
      const { data } = plain.read();
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      const ordered = toRowMajor(bytes, dims, moved, bytes.length, Float32Array.BYTES_PER_ELEMENT);
      return new Tensor('float32', new Float32Array(ordered.buffer), dims);
    },
  };
}

/** Zeros, for a bias that the source does without. */
export function zeros(dims: readonly number[]): WeightSource {
  const read = () => new Tensor('float32', new Float32Array(elementCount(dims)), dims);
  return { dims, dtype: 'F32', read, readCounter: () => new Tensor('int64', [0n], []) };
}

/** A batch norm that is the identity plus a shift: its variance and epsilon make 1. */
export function addShift(weights: Mapping['weights'], norm: string, shift: WeightSource, epsilon: number): void {
  const { dims } = shift;
  const filled = (value: number): WeightSource => ({
    ...zeros(dims),
    read: () => new Tensor('float32', new Float32Array(elementCount(dims)).fill(value), dims),
  });
  weights.set(`${norm}.weight`, filled(1));
  weights.set(`${norm}.bias`, shift);
  weights.set(`${norm}.running_mean`, zeros(dims));
  weights.set(`${norm}.running_var`, filled(1 - epsilon));
}

/** A row of zeros before the others: the other class of a classifier that has one output and a sigmoid. */
export function zeroFirst(source: WeightSource): WeightSource {
  const dims = [source.dims[0] + 1, ...source.dims.slice(1)];
  return {
    ...source,
    dims,
    read() {
      const { data } = source.read();
      const out = new Float32Array((data.length / source.dims[0]) * dims[0]);
      out.set(data as Float32Array, out.length - data.length);
      return new Tensor('float32', out, dims);
    },
  };
}

/** A batch norm's vectors; a scale or shift that it does without is undefined. */
export interface Norm {
  scale: StoredTensor | undefined;
  shift: StoredTensor | undefined;
  mean: StoredTensor;
  variance: StoredTensor;
  epsilon: number;
}

/**
 * A linear layer with the batch norm before it: W(s(x − mean) + shift) + b is (Ws)x + (b + W(shift − s·mean)), where s is
 * scale / √(variance + epsilon).
 * @param weight [K, C]
 * @param bias [K]
 * @returns both, computed when they are read
 */
export function withNormBefore(weight: WeightSource, bias: WeightSource, norm: Norm): [WeightSource, WeightSource] {
  const factors = (): [Float64Array, Float64Array] => {
    const [scale, shift, mean, variance] = [norm.scale, norm.shift, norm.mean, norm.variance].map(
      (stored) => stored && same(stored).read().data,
    );
    const factor = mapped(
      new Float64Array(variance!.length),
      variance as ArrayLike<number | bigint>,
      (one, c) => Number(scale?.[c] ?? 1) / Math.sqrt(Number(one) + norm.epsilon),
    );
    return [factor, factor.map((one, c) => Number(shift?.[c] ?? 0) - one * Number(mean![c]))];
  };
  const read = (isBias: boolean) => (): Tensor<'float32'> => {
    const { data: matrix, dims } = weight.read();
    const [rows, columns] = dims;
    const [factor, offset] = factors();
    if (factor.length !== columns) return weight.read(); // its shape is at fault too, and named
    if (!isBias)
      return new Tensor(
        'float32',
        matrix.map((one, i) => one * factor[i % columns]),
        dims,
      );
    const { data: before } = bias.read();
    const sum = (k: number) => offset.reduce((total, one, c) => total + one * matrix[k * columns + c], before[k]);
    return new Tensor(
      'float32',
      new Float32Array(rows).map((_, k) => sum(k)),
      [rows],
    );
  };
  const parts = [weight, bias, norm.scale, norm.shift, norm.mean, norm.variance];
  const unpack = async (signal?: AbortSignal) => {
    for (const part of parts) await part?.unpack?.(signal);
  };
  return [
    { ...weight, unpack, read: read(false) },
    { ...bias, unpack, read: read(true) },
  ];
}
