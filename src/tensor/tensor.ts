/**
 * `Tensor(type, data, dims)`: a dense, row-major array with a name for its element type. Names and signatures are those of
 * transformers.js. Operations return new tensors, and those whose name ends with `_` change the tensor itself; `view`,
 * `reshape`, `squeeze`, `unsqueeze`, rows and `tensor[i]` share memory with their source.
 */
import { asTyped, copyOf } from '../base/brands.js';
import { checkFunction } from '../base/check.js';
import { expected, MobileNetError, show } from '../base/errors.js';
import {
  ARRAYS,
  checkList,
  checkType,
  fromList,
  isFloat,
  numbersOf,
  type TensorData,
  type TensorType,
  valuesOf,
  widerType,
  zeroed,
} from './elements.js';
import { broadcastDims, type Dims, dimIndex, elementCount, rowMajorStrides, sameDims } from './shape.js';

export type { TensorData, TensorType } from './elements.js';

/** A number that arithmetic takes. */
export type Scalar = number | bigint;
/** What elements are as JavaScript values. */
export type Element<T extends TensorType> = T extends 'int64' ? bigint : number;
/** The type of a mean or a quotient: floats keep theirs, everything else gives float32. */
export type FloatOf<T extends TensorType> = T extends 'float16' | 'float64' ? T : 'float32';
/** The type of a sum: floats keep theirs, integers and bool give int64, as in PyTorch. */
export type SumOf<T extends TensorType> = T extends 'float16' | 'float32' | 'float64' ? T : 'int64';

/** What `tolist` gives: numbers (bigint for int64, boolean for bool) nested as deep as the tensor has dimensions. */
export type NestedList = number | bigint | boolean | NestedList[];

/** One dimension of `slice`: everything, one index (the dimension goes), or [start, end) with negatives from the end. */
export type SliceRange = null | number | readonly [start: number | null, end: number | null];

/** What arithmetic does to a pair. Typed for numbers; the same operators hold for pairs of bigints. */
type Operation = (a: number, b: number) => number;

/** Numbers with a shape: row-major, dense, in a typed array. */
export class Tensor<T extends TensorType = TensorType> {
  readonly type: T;
  readonly data: TensorData<T>;
  readonly dims: readonly number[];
  /** `tensor[i]` is row i along the first dimension, sharing memory; negatives count from the end. */
  readonly [index: number]: Tensor<T>;

  /**
   * @param type element type
   * @param data the values, row-major; a typed array is used as it is (no copy), a list of numbers is copied
   * @param dims sizes; their product must be the length of `data`
   * @throws MobileNetError ARG when type, data and dims do not fit together
   */
  constructor(type: T, data: TensorData<T> | readonly (number | bigint | boolean)[], dims: Dims) {
    checkType(type);
    const ArrayType = ARRAYS[type];
    const count = elementCount(dims);
    let given: unknown = data;
    if (Array.isArray(data)) {
      checkList(data);
      given = fromList(type, data);
    }
    const values = asTyped(given, ArrayType as typeof Float32Array);
    if (values === undefined) {
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

  /** A thing that only inherits from Tensor, or a proxy of one, has none of its parts and is no tensor. */
  static [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: the class that is asked about, which may be a subclass
    const inherits = Function.prototype[Symbol.hasInstance].call(this, value);
    return inherits && #gather in (value as object);
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
    return new Tensor(this.type, copyOf(this.data) as TensorData<T>, this.dims);
  }

  /** Does nothing: memory of tensors is given back by itself. For code that was written for transformers.js. */
  dispose(): void {}

  /** Steps in elements between neighbours along each dimension. */
  stride(): number[] {
    return rowMajorStrides(this.dims);
  }

  /**
   * The rows along the first dimension, which share memory; of one dimension, the values as `tolist` gives them.
   */
  // biome-ignore lint/suspicious/noExplicitAny: tensors or numbers, by a rank that types do not know; as transformers.js has it
  *[Symbol.iterator](): Generator<any, void> {
    if (this.dims.length < 2) yield* this.view(this.size).tolist() as NestedList[];
    else for (let i = 0; i < this.dims[0]; i++) yield row(this, i);
  }

  /** Without the dimensions of size 1: all of them, one or several. Those of another size stay. Shares memory. */
  squeeze(dim: number | readonly number[] | null = null): Tensor<T> {
    const rank = this.dims.length;
    const wanted = dim === null ? this.dims.keys() : [dim].flat().map((d) => dimIndex(d as number, rank));
    const gone = new Set(wanted);
    return this.view(...this.dims.filter((size, d) => size !== 1 || !gone.has(d)));
  }

  /** `squeeze` of this tensor itself. */
  squeeze_(dim: number | readonly number[] | null = null): this {
    return this.#reshape(this.squeeze(dim));
  }

  /** With a dimension of size 1 more, at `dim`; -1 puts it last. Shares memory. */
  unsqueeze(dim: number): Tensor<T> {
    return this.view(...this.dims.toSpliced(dimIndex(dim, this.dims.length + 1), 0, 1));
  }

  /** `unsqueeze` of this tensor itself. */
  unsqueeze_(dim: number): this {
    return this.#reshape(this.unsqueeze(dim));
  }

  /** The dimensions from `start_dim` up to and with `end_dim` as one; a copy. */
  flatten(start_dim = 0, end_dim = -1): Tensor<T> {
    return this.clone().flatten_(start_dim, end_dim);
  }

  /** `flatten` of this tensor itself. */
  flatten_(start_dim = 0, end_dim = -1): this {
    if (this.dims.length === 0) return this.#reshape(this.view(1));
    const [start, end] = [start_dim, end_dim].map((dim) => dimIndex(dim, this.dims.length));
    if (start > end) throw new MobileNetError('ARG', `flatten: start_dim ${start_dim} comes after end_dim ${end_dim}`);
    const joined = elementCount(this.dims.slice(start, end + 1));
    return this.#reshape(this.view(...this.dims.toSpliced(start, end + 1 - start, joined)));
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

  /** Two dimensions swapped, as in PyTorch, or all of them in another order, as `permute`. */
  transpose(...order: number[]): Tensor<T> {
    if (order.length !== 2) return this.permute(...order);
    const [a, b] = order.map((dim) => dimIndex(dim, this.dims.length));
    const swapped = [...this.dims.keys()];
    [swapped[a], swapped[b]] = [b, a];
    return this.permute(...swapped);
  }

  /** Laid out `repeats` times along each dimension; more of them than dimensions add new ones before. */
  repeat(...repeats: number[]): Tensor<T> {
    const dims = [...new Array<number>(Math.max(0, repeats.length - this.dims.length)).fill(1), ...this.dims];
    if (repeats.length < dims.length || !repeats.every((times) => Number.isSafeInteger(times) && times >= 0)) {
      throw new MobileNetError(
        'ARG',
        `repeat(${show(repeats)}): expected a count for each of ${dims.length} dimensions`,
      );
    }
    const steps = rowMajorStrides(dims).flatMap((step) => [0, step]);
    const tiles = this.#gather(
      dims.flatMap((size, d) => [repeats[d], size]),
      steps,
      0,
    );
    return tiles.view(...dims.map((size, d) => size * repeats[d]));
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
        const bounds = Array.isArray(range) ? (range as readonly (number | null)[]) : [];
        const numbers = bounds.every((at) => at === null || typeof at === 'number');
        const [start, end] = bounds.map((at, i) =>
          !numbers ? Number.NaN : at === null ? i * size : Math.min(size, Math.max(0, at < 0 ? at + size : at)),
        );
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
    const values = valuesOf(this);
    const nest = (d: number, offset: number): NestedList => {
      if (d === this.dims.length) return this.type === 'bool' ? values[offset] !== 0 : values[offset];
      const step = elementCount(this.dims.slice(d + 1));
      return Array.from({ length: this.dims[d] }, (_, i) => nest(d + 1, offset + i * step));
    };
    return nest(0, 0);
  }

  /**
   * The only value of a tensor of one element: a number, also of int64, so that `id2label[ids.item()]` finds its label; a
   * boolean of bool.
   * @throws MobileNetError ARG for more elements or none, and for an int64 that a number cannot hold (`data[0]` does)
   */
  item(): T extends 'bool' ? boolean : number {
    if (this.size !== 1) throw new MobileNetError('ARG', `item(): expected 1 element, got dims ${show(this.dims)}`);
    let [value] = this.view(1).tolist() as [number | bigint | boolean];
    if (typeof value === 'bigint') {
      if (!Number.isSafeInteger(Number(value))) {
        throw new MobileNetError('ARG', `item(): a number cannot hold ${value}; data[0] is the bigint`);
      }
      value = Number(value);
    }
    return value as T extends 'bool' ? boolean : number;
  }

  /**
   * Converts the elements. Floats become integers by truncation toward zero, as in PyTorch; NaN becomes 0, and true as bool.
   */
  to<U extends TensorType>(type: U): Tensor<U> {
    checkType(type);
    if ((type as TensorType) === this.type) return this.clone() as Tensor as Tensor<U>;
    const values = type === 'float16' ? numbersOf(this) : (valuesOf(this) as ArrayLike<Scalar>);
    return new Tensor(type, fromList(type, values) as TensorData<U>, this.dims);
  }

  /**
   * Every element plus a number, or plus the element of another tensor; dims broadcast as in PyTorch. With a number the
   * tensor keeps its type, integers cut off towards zero (as transformers.js does it; PyTorch would make floats); of two
   * tensors the result has the wider type.
   * @throws MobileNetError ARG for anything but a number or Tensor, and for dims that do not fit
   */
  add<U extends TensorType = T>(value: Scalar | Tensor<U>): Tensor<T | U> {
    return this.#arithmetic('add', value, (a, b) => a + b);
  }
  /** `add` into this tensor. */
  add_(value: Scalar | Tensor): this {
    return this.#into('add', value, (a, b) => a + b);
  }
  /** Minus a number or tensor; see `add`. */
  sub<U extends TensorType = T>(value: Scalar | Tensor<U>): Tensor<T | U> {
    return this.#arithmetic('sub', value, (a, b) => a - b);
  }
  /** `sub` into this tensor. */
  sub_(value: Scalar | Tensor): this {
    return this.#into('sub', value, (a, b) => a - b);
  }
  /** Times a number or tensor, element by element; see `add`. */
  mul<U extends TensorType = T>(value: Scalar | Tensor<U>): Tensor<T | U> {
    return this.#arithmetic('mul', value, (a, b) => a * b);
  }
  /** `mul` into this tensor. */
  mul_(value: Scalar | Tensor): this {
    return this.#into('mul', value, (a, b) => a * b);
  }
  /** By a number or tensor; see `add`. Convert integers first where fractions are wanted: `.to('float32').div(255)`. */
  div<U extends TensorType = T>(value: Scalar | Tensor<U>): Tensor<T | U> {
    return this.#arithmetic('div', value, divide);
  }
  /** `div` into this tensor. */
  div_(value: Scalar | Tensor): this {
    return this.#into('div', value, divide);
  }

  /** Where elements are above a number, or those of another tensor. */
  gt(value: Scalar | Tensor): Tensor<'bool'> {
    return this.#arithmetic('gt', value, (a, b) => Number(a > b)).to('bool');
  }
  /** Where elements are below a number, or those of another tensor. */
  lt(value: Scalar | Tensor): Tensor<'bool'> {
    return this.#arithmetic('lt', value, (a, b) => Number(a < b)).to('bool');
  }

  /** What a function makes of every element; bigints for int64. The type stays. */
  map(callback: (value: Element<T>, index: number, data: TensorData<T>) => Scalar): Tensor<T> {
    return this.clone().map_(callback);
  }
  /** `map` into this tensor. */
  map_(callback: (value: Element<T>, index: number, data: TensorData<T>) => Scalar): this {
    checkFunction(callback, 'map');
    const values = valuesOf(this);
    // float16 and int64 need conversion; the others are converted as they are put into their array.
    const out: ArrayLike<Scalar> = isPlain(this.type) ? this.data : new Array<Scalar>(this.size);
    for (let i = 0; i < values.length; i++) {
      (out as Scalar[])[i] = callback(values[i] as Element<T>, i, this.data);
    }
    if (out !== this.data) (this.data as Uint16Array).set(fromList(this.type, out) as Uint16Array);
    return this;
  }

  /** 0 − x. */
  neg(): Tensor<T> {
    return this.clone().neg_();
  }
  /** `neg` into this tensor. */
  neg_(): this {
    return this.map_((value) => -value);
  }
  /** 1 / (1 + exp(−x)); float32 of integers. */
  sigmoid(): Tensor<FloatOf<T>> {
    return this.to(floatOf(this.type)).sigmoid_();
  }
  /** `sigmoid` into this tensor of floats. */
  sigmoid_(): this {
    if (!isFloat(this.type)) throw new MobileNetError('ARG', `sigmoid_: ${this.type} has no fractions; use sigmoid()`);
    return this.map_((value) => 1 / (1 + Math.exp(-Number(value))));
  }
  /** At least `min`, at most `max`. */
  clamp(min: Scalar, max: Scalar): Tensor<T> {
    return this.clone().clamp_(min, max);
  }
  /** `clamp` into this tensor. */
  clamp_(min: Scalar, max: Scalar): this {
    for (const limit of [min, max]) checkScalar(limit, 'clamp');
    return this.map_((value) => (value < min ? min : value > max ? max : value));
  }
  /** To whole numbers, halves up, as Math.round. */
  round(): Tensor<T> {
    return this.clone().round_();
  }
  /** `round` into this tensor. */
  round_(): this {
    return isFloat(this.type) ? this.map_((value) => Math.round(Number(value))) : this;
  }
  /** Divided by its norm along `dim`: rows of features of length 1 are `features.normalize()`. */
  normalize(p = 2, dim = 1): Tensor<T | FloatOf<T>> {
    return this.div(this.norm(p, dim, true));
  }
  /** `normalize` of this tensor itself. */
  normalize_(p = 2, dim = 1): this {
    return this.div_(this.norm(p, dim, true));
  }

  /** Index of the largest value along `dim` (of the flattened tensor without it); the first of equals; NaN counts as largest. */
  argmax(dim: number | null = null, keepdim = false): Tensor<'int64'> {
    return this.#reduce(
      dim,
      keepdim,
      'int64',
      bestIndex((a, b) => a > b),
    );
  }
  /** Index of the smallest value; as `argmax`, NaN before all. */
  argmin(dim: number | null = null, keepdim = false): Tensor<'int64'> {
    return this.#reduce(
      dim,
      keepdim,
      'int64',
      bestIndex((a, b) => a < b),
    );
  }
  /** The largest value along `dim`, of everything without it; NaN where there is one. */
  max(dim: number | null = null, keepdim = false): Tensor<T> {
    return this.#best(dim, keepdim, (a, b) => a > b);
  }
  /** The smallest value along `dim`, of everything without it; NaN where there is one. */
  min(dim: number | null = null, keepdim = false): Tensor<T> {
    return this.#best(dim, keepdim, (a, b) => a < b);
  }
  /** Sum along `dim`, of everything without it; in float64. Integers and bool give int64: `mask.sum()` counts. */
  sum(dim: number | null = null, keepdim = false): Tensor<SumOf<T>> {
    const type = (isFloat(this.type) ? this.type : 'int64') as SumOf<T>;
    return this.#reduce(dim, keepdim, type, (values, offset, count, step) => {
      // Bigints where the values are.
      let sum: number = typeof values[offset] === 'bigint' ? (0n as unknown as number) : 0;
      for (let i = 0; i < count; i++) sum += values[offset + i * step];
      return sum;
    });
  }
  /** (Σ |x|^p)^(1/p) along `dim`, of everything without it; 'fro' is 2. */
  norm(p: number | 'fro' = 'fro', dim: number | null = null, keepdim = false): Tensor<FloatOf<T>> {
    const power = p === 'fro' ? 2 : p;
    if (!(typeof power === 'number' && power > 0)) throw expected('norm', "p above 0 or 'fro'", p);
    return this.#reduce(dim, keepdim, floatOf(this.type), (values, offset, count, step) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += Math.abs(Number(values[offset + i * step])) ** power;
      return sum ** (1 / power);
    });
  }
  /** Mean along `dim`, of everything without it; summed in float64. */
  mean(dim: number | null = null, keepdim = false): Tensor<FloatOf<T>> {
    return this.#reduce(dim, keepdim, floatOf(this.type), (values, offset, count, step) => {
      notEmpty(count);
      let sum = 0;
      for (let i = 0; i < count; i++) sum += Number(values[offset + i * step]);
      return sum / count;
    });
  }

  /** exp(x) / Σ exp(x) along `dim`, by default the last. */
  softmax(dim = -1): Tensor<'float32'> {
    const at = dimIndex(dim, this.dims.length);
    const { outer, count, inner } = split(this.dims, at);
    const values = numbersOf(this);
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
    const out = zeroed(this.type, elementCount(dims)) as TensorData<T>;
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

  /** Along `dim`, of everything where it is null: what `reduce` makes of each line. */
  #reduce<U extends TensorType>(dim: number | null, keepdim: boolean, type: U, reduce: Reduction): Tensor<U> {
    const dims = dim === null ? [this.size] : this.dims;
    const at = dim === null ? 0 : dimIndex(dim, dims.length);
    const { outer, count, inner } = split(dims, at);
    const values = valuesOf(this) as ArrayLike<number>;
    const out = new Array<Scalar>(outer * inner);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) out[o * inner + i] = reduce(values, o * count * inner + i, count, inner);
    }
    const kept = this.dims.map((size, d) => (dim === null || d === at ? 1 : size));
    const rest = dim === null ? [] : dims.filter((_, d) => d !== at);
    return new Tensor(type, fromList(type, out) as TensorData<U>, keepdim ? kept : rest);
  }

  #best(dim: number | null, keepdim: boolean, better: (a: number, b: number) => boolean): Tensor<T> {
    const index = bestIndex(better);
    return this.#reduce(dim, keepdim, this.type, (values, offset, count, step) => {
      return values[offset + index(values, offset, count, step) * step];
    });
  }

  /** A new tensor, of the dims and the type that hold both. */
  #arithmetic<U extends TensorType>(name: string, value: Scalar | Tensor<U>, operation: Operation): Tensor<T | U> {
    if (!(value instanceof Tensor)) return this.clone().#into(name, value, operation);
    const dims = broadcastDims(this.dims, value.dims) ?? misfit(name, this, value);
    const type = widerType(this.type, value.type) as T | U;
    const wider = this.to(type);
    return (sameDims(dims, this.dims) ? wider : wider.#expand(dims)).#into(name, value, operation);
  }

  #into(name: string, value: Scalar | Tensor, operation: Operation): this {
    if (value instanceof Tensor) {
      const dims = broadcastDims(this.dims, value.dims);
      if (dims === undefined || !sameDims(dims, this.dims)) misfit(name, this, value);
      if (widerType(this.type, value.type) !== this.type) {
        throw new MobileNetError(
          'ARG',
          `${name}_: ${this.type} cannot hold what ${value.type} makes of it; use ${name}()`,
        );
      }
      const same = value.to(this.type);
      const others = valuesOf(sameDims(dims, value.dims) ? same : same.#expand(dims));
      return this.map_((own, i) => operation(own as number, others[i] as number));
    }
    checkScalar(value, name);
    // A pair of bigints where both are whole, else a pair of numbers.
    const big = this.type === 'int64' && (typeof value === 'bigint' || Number.isInteger(value));
    const other = big ? BigInt(value) : Number(value);
    return this.map_((own) => operation((big ? own : Number(own)) as number, other as number));
  }

  /** Stretched to `dims`, which broadcast from its own. */
  #expand(dims: number[]): Tensor<T> {
    const strides = rowMajorStrides(this.dims);
    const before = dims.length - this.dims.length;
    return this.#gather(
      dims,
      dims.map((_, d) => (d < before || this.dims[d - before] === 1 ? 0 : strides[d - before])),
      0,
    );
  }

  /** Takes the dims of a view of itself. */
  #reshape({ dims }: Tensor): this {
    (this as { dims: readonly number[] }).dims = dims;
    return this;
  }
}

/** Row `index` along the first dimension, sharing memory. */
function row<T extends TensorType>({ type, data, dims: [count, ...rest] }: Tensor<T>, index: number): Tensor<T> {
  const at = dimIndex(index, count ?? 0);
  const size = elementCount(rest);
  return new Tensor(type, data.subarray(at * size, (at + 1) * size) as TensorData<T>, rest);
}

// `tensor[0]` is looked up here after the tensor's own fields and methods, which therefore cost what they did; transformers.js
// wraps every tensor in a Proxy of its own.
Object.setPrototypeOf(
  Tensor.prototype,
  new Proxy(Object.prototype, {
    get: (target, key, tensor) =>
      typeof key === 'string' && /^-?\d+$/.test(key) && tensor instanceof Tensor
        ? row(tensor, Number(key))
        : Reflect.get(target, key, tensor),
  }),
);

/** What a line of values makes: `count` of them from `offset` on, `step` apart; bigints for int64. */
type Reduction = (values: ArrayLike<number>, offset: number, count: number, step: number) => number;

/** Finds the first of the best; NaN is better than all numbers. */
function bestIndex(better: (a: number, b: number) => boolean): Reduction {
  return (values, offset, count, step) => {
    notEmpty(count);
    let best = 0;
    for (let i = 1; i < count; i++) {
      const value = values[offset + i * step];
      const champion = values[offset + best * step];
      if (better(value, champion) || (Number.isNaN(value) && !Number.isNaN(champion))) best = i;
    }
    return best;
  };
}

function notEmpty(count: number): void {
  if (count === 0) throw new MobileNetError('ARG', 'the dimension is empty: nothing to reduce');
}

/** A bigint by zero has no value; numbers give infinity, which integers keep as 0. */
function divide(a: number, b: number): number {
  if (typeof b === 'bigint' && !b) throw new MobileNetError('ARG', 'div: an int64 divided by 0');
  return a / b;
}

function checkScalar(value: unknown, name: string): void {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw expected(name, 'a number or a Tensor', value);
}

/** @throws MobileNetError ARG for anything but a Tensor */
export function checkTensor(value: unknown, where: string): asserts value is Tensor {
  if (!(value instanceof Tensor)) throw expected(where, 'a Tensor', value);
}

function misfit(name: string, a: Tensor, b: Tensor): never {
  throw new MobileNetError('ARG', `${name}: dims ${show(b.dims)} do not broadcast to ${show(a.dims)}`);
}

const isPlain = (type: TensorType): boolean => type !== 'float16' && type !== 'int64' && type !== 'bool';
const floatOf = <T extends TensorType>(type: T) => (isFloat(type) ? type : 'float32') as FloatOf<T>;

/** A dimension seen as [outer, count, inner]: element i of line (o, j) lies at o·count·inner + i·inner + j. */
function split(dims: Dims, at: number): { outer: number; count: number; inner: number } {
  return { outer: elementCount(dims.slice(0, at)), count: dims[at], inner: elementCount(dims.slice(at + 1)) };
}

function elementCountOrNaN(dims: Dims): number {
  return dims.every((size) => Number.isInteger(size) && size >= 0) ? elementCount(dims) : Number.NaN;
}
