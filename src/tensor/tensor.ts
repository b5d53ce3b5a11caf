/**
 * `Tensor(type, data, dims)`: a dense, row-major array with a name for its element type. The shape of the API is that of
 * transformers.js. Operations return new tensors; only `view` shares memory with its source, and says so.
 */
import { MobileNetError, show } from '../base/errors.js';
import { float16ToFloat32, float32ToFloat16 } from './half.js';
import { type Dims, dimIndex, elementCount, rowMajorStrides } from './shape.js';

/** Element types and the typed array that holds each. float16 is held as bits (see half.ts). */
const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Element types, by the names of transformers.js. */
export type TensorType = keyof typeof ARRAYS;
interface ArrayOf {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
/** The typed array that holds elements of a type. */
export type TensorData<T extends TensorType = TensorType> = ArrayOf[T];

/** What `tolist` gives: numbers (bigint for int64, boolean for bool) nested as deep as the tensor has dimensions. */
export type NestedList = number | bigint | boolean | NestedList[];

/** One dimension of `slice`: everything, one index (the dimension goes), or [start, end) with negatives from the end. */
export type SliceRange = null | number | readonly [number, number];

/** Numbers with a shape: row-major, dense, in a typed array. */
export class Tensor<T extends TensorType = TensorType> {
  readonly type: T;
  readonly data: TensorData<T>;
  readonly dims: readonly number[];

  /**
   * @param type element type
   * @param data the values, row-major; a typed array is used as it is (no copy), a list of numbers is copied
   * @param dims sizes; their product must be the length of `data`
   * @throws MobileNetError ARG when type, data and dims do not fit together
   */
  constructor(type: T, data: TensorData<T> | readonly (number | bigint | boolean)[], dims: Dims) {
    checkType(type);
    const ArrayType = ARRAYS[type];
    if (!Array.isArray(dims) && !ArrayBuffer.isView(dims)) {
      throw new MobileNetError('ARG', `Tensor dims: expected an array of sizes, got ${show(dims)}`);
    }
    const count = elementCount(dims);
    let values: unknown = data;
    if (Array.isArray(data)) {
      checkList(data);
      values = fromList(type, data);
    }
    if (!(values instanceof ArrayType)) {
      throw new MobileNetError('ARG', `Tensor data: ${type} needs a ${ArrayType.name} or a list, got ${show(data)}`);
    }
    if (values.length !== count) {
      const detached = values.length === 0 && count > 0 && values.buffer.byteLength === 0;
      throw new MobileNetError(
        'ARG',
        `Tensor data: dims ${show(dims)} need ${count} elements, got ${values.length}${detached ? ' (is the buffer detached?)' : ''}`,
      );
    }
    this.type = type;
    this.data = values as TensorData<T>;
    this.dims = Object.freeze([...dims]);
  }

  /** Number of elements. */
  get size(): number {
    return this.data.length;
  }

  /** The same values under other dims; **shares memory**. One size may be -1 and is worked out. */
  view(...dims: number[]): Tensor<T> {
    const wanted = [...dims];
    const free = wanted.indexOf(-1);
    if (free >= 0) {
      const rest = wanted.reduce((product, size, d) => (d === free ? product : product * size), 1);
      wanted[free] = rest === 0 ? 0 : this.size / rest;
    }
    if (elementCountOrNaN(wanted) !== this.size) {
      throw new MobileNetError('ARG', `view(${show(dims)}): a tensor ${show(this.dims)} has ${this.size} elements`);
    }
    return new Tensor(this.type, this.data, wanted);
  }

  /** The same elements in another shape; shares memory. One of the sizes may be −1. */
  reshape(...dims: number[]): Tensor<T> {
    return this.view(...dims);
  }

  /** Another tensor with elements of its own. */
  clone(): Tensor<T> {
    return new Tensor(this.type, this.data.slice() as TensorData<T>, this.dims);
  }

  /** Reorders dimensions; `permute(0, 2, 3, 1)` makes NHWC of NCHW. */
  permute(...order: number[]): Tensor<T> {
    const rank = this.dims.length;
    const from = order.map((dim) => dimIndex(dim, rank));
    if (from.length !== rank || new Set(from).size !== rank) {
      throw new MobileNetError('ARG', `permute(${show(order)}): expected each of ${rank} dimensions once`);
    }
    const strides = rowMajorStrides(this.dims);
    return this.#gather(
      from.map((d) => this.dims[d]),
      from.map((d) => strides[d]),
      0,
    );
  }

  /** Python's slicing, one range a dimension; missing ones take everything. */
  slice(...ranges: SliceRange[]): Tensor<T> {
    if (ranges.length > this.dims.length) {
      throw new MobileNetError('ARG', `slice: ${ranges.length} ranges for a tensor of rank ${this.dims.length}`);
    }
    const strides = rowMajorStrides(this.dims);
    const dims: number[] = [];
    const steps: number[] = [];
    let offset = 0;
    for (const [d, size] of this.dims.entries()) {
      const range = ranges[d] ?? null;
      if (range === null) {
        dims.push(size);
        steps.push(strides[d]);
      } else if (typeof range === 'number') {
        offset += dimIndex(range, size) * strides[d];
      } else {
        const bounds = Array.isArray(range) ? (range as readonly number[]) : [];
        const [start, end] = bounds.map((at) => Math.min(size, Math.max(0, at < 0 ? at + size : at)));
        if (bounds.length !== 2 || !Number.isInteger(start) || !Number.isInteger(end)) {
          throw new MobileNetError(
            'ARG',
            `slice: dim ${d} has a range ${show(range)}, expected [start, end] in whole numbers`,
          );
        }
        dims.push(Math.max(0, end - start));
        steps.push(strides[d]);
        offset += start * strides[d];
      }
    }
    return this.#gather(dims, steps, offset);
  }

  /** Nested lists, the innermost along the last dimension; a scalar gives its value. */
  tolist(): NestedList {
    const values = this.type === 'float16' ? this.to('float32').data : this.data;
    const nest = (d: number, offset: number): NestedList => {
      if (d === this.dims.length) return this.type === 'bool' ? values[offset] !== 0 : values[offset];
      const step = this.dims.slice(d + 1).reduce((product, size) => product * size, 1);
      return Array.from({ length: this.dims[d] }, (_, i) => nest(d + 1, offset + i * step));
    };
    return nest(0, 0);
  }

  /** The only value of a tensor of one element. */
  item(): number | bigint | boolean {
    if (this.size !== 1) throw new MobileNetError('ARG', `item(): expected 1 element, got dims ${show(this.dims)}`);
    return this.view().tolist() as number | bigint | boolean;
  }

  /**
   * Converts the elements. Floats become integers by truncation toward zero, as in PyTorch; NaN becomes 0, and true as bool.
   */
  to<U extends TensorType>(type: U): Tensor<U> {
    checkType(type);
    if ((type as TensorType) === this.type) return this.clone() as unknown as Tensor<U>;
    const floats = this.type === 'float16' ? float16ToFloat32(this.data as Uint16Array) : this.data;
    if (type === 'float16') {
      return new Tensor(type, float32ToFloat16(numbersOf(floats)) as TensorData<U>, this.dims);
    }
    const out = fromList(type, floats as unknown as ArrayLike<number | bigint>);
    return new Tensor(type, out as TensorData<U>, this.dims);
  }

  /** Index of the largest value along `dim` (of the flattened tensor without it); the first of equals; NaN counts as largest. */
  argmax(dim?: number): Tensor<'int64'> {
    if (dim === undefined) return this.view(this.size).argmax(0);
    return this.#reduce(dim, 'int64', (values, offset, count, step) => {
      let best = 0;
      for (let i = 1; i < count; i++) {
        const value = values[offset + i * step];
        const champion = values[offset + best * step];
        if (value > champion || (Number.isNaN(value) && !Number.isNaN(champion))) best = i;
      }
      return BigInt(best);
    });
  }

  /** Mean along `dim`, of everything without it; summed in float64. */
  mean(dim?: number, keepdim = false): Tensor<'float32'> {
    if (dim === undefined) return this.view(this.size).mean(0);
    const mean = this.#reduce(dim, 'float32', (values, offset, count, step) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += values[offset + i * step];
      return sum / count;
    });
    return keepdim
      ? mean.view(...this.dims.map((size, d) => (d === dimIndex(dim, this.dims.length) ? 1 : size)))
      : mean;
  }

  /** exp(x) / Σ exp(x) along `dim`, by default the last. */
  softmax(dim = -1): Tensor<'float32'> {
    const at = dimIndex(dim, this.dims.length);
    const { outer, count, inner } = split(this.dims, at);
    const values = numbersOf(this.type === 'float16' ? this.to('float32').data : this.data);
    const out = new Float32Array(this.size);
    const exps = new Float64Array(count);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const offset = o * count * inner + i;
        let largest = -Infinity;
        for (let c = 0; c < count; c++) largest = Math.max(largest, values[offset + c * inner]);
        let sum = 0;
        for (let c = 0; c < count; c++) {
          exps[c] = Math.exp(values[offset + c * inner] - largest);
          sum += exps[c];
        }
        for (let c = 0; c < count; c++) out[offset + c * inner] = exps[c] / sum;
      }
    }
    return new Tensor('float32', out, this.dims);
  }

  #gather(dims: number[], strides: number[], offset: number): Tensor<T> {
    const out = new ARRAYS[this.type](elementCount(dims)) as TensorData<T>;
    const rank = dims.length;
    const index = new Array<number>(rank).fill(0);
    let from = offset;
    for (let to = 0; to < out.length; to++) {
      out[to] = this.data[from];
      for (let d = rank - 1; d >= 0; d--) {
        from += strides[d];
        if (++index[d] < dims[d]) break;
        from -= strides[d] * dims[d];
        index[d] = 0;
      }
    }
    return new Tensor(this.type, out, dims);
  }

  #reduce<U extends 'int64' | 'float32'>(
    dim: number,
    type: U,
    reduce: (values: ArrayLike<number>, offset: number, count: number, step: number) => number | bigint,
  ): Tensor<U> {
    const at = dimIndex(dim, this.dims.length);
    const { outer, count, inner } = split(this.dims, at);
    if (count === 0) throw new MobileNetError('ARG', `dim ${dim} of ${show(this.dims)} is empty: nothing to reduce`);
    const values = numbersOf(this.type === 'float16' ? this.to('float32').data : this.data);
    const out = new ARRAYS[type](outer * inner);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) out[o * inner + i] = reduce(values, o * count * inner + i, count, inner);
    }
    return new Tensor(
      type,
      out as TensorData<U>,
      this.dims.filter((_, d) => d !== at),
    );
  }
}

function checkType(type: unknown): asserts type is TensorType {
  // Not `type in ARRAYS`: 'constructor' is in every object.
  if (typeof type === 'string' && Object.hasOwn(ARRAYS, type)) return;
  throw new MobileNetError('ARG', `Tensor type: expected one of ${Object.keys(ARRAYS).join(', ')}, got ${show(type)}`);
}

/** A dimension seen as [outer, count, inner]: element i of line (o, j) lies at o·count·inner + i·inner + j. */
function split(dims: Dims, at: number): { outer: number; count: number; inner: number } {
  const product = (sizes: readonly number[]) => sizes.reduce((total, size) => total * size, 1);
  return { outer: product(dims.slice(0, at)), count: dims[at], inner: product(dims.slice(at + 1)) };
}

function numbersOf(data: TensorData): ArrayLike<number> {
  return data instanceof BigInt64Array ? Float64Array.from(data, Number) : data;
}

function checkList(list: readonly unknown[]): void {
  const wrong = list.findIndex((item) => !['number', 'bigint', 'boolean'].includes(typeof item));
  if (wrong < 0) return;
  throw new MobileNetError('ARG', `Tensor data: element ${wrong} is ${show(list[wrong])}; expected numbers`);
}

/** Any list of numbers, bigints or booleans as the typed array of `type`. */
function fromList(type: TensorType, list: ArrayLike<number | bigint | boolean>): TensorData {
  if (type === 'float16') return float32ToFloat16(Float32Array.from(list as ArrayLike<number>, Number));
  if (type === 'int64') {
    return BigInt64Array.from(list as ArrayLike<number>, (v) =>
      typeof v === 'bigint' ? v : BigInt(Math.trunc(Number.isFinite(Number(v)) ? Number(v) : 0)),
    );
  }
  if (type === 'bool') return Uint8Array.from(list as ArrayLike<number>, (v) => (v || Number.isNaN(v) ? 1 : 0));
  const out = new ARRAYS[type](list.length) as Float64Array;
  for (let i = 0; i < list.length; i++) out[i] = Number(list[i]);
  return out as TensorData;
}

function elementCountOrNaN(dims: Dims): number {
  return dims.every((size) => Number.isInteger(size) && size >= 0) ? elementCount(dims) : Number.NaN;
}
