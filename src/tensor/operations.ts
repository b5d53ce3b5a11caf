/** What makes tensors of nothing or of others, by the names of transformers.js. */
import { checkSequence } from '../base/check.js';
import { expected, MobileNetError, show } from '../base/errors.js';
import { type TensorData, type TensorType, zeroed } from './elements.js';
import { type Dims, dimIndex, elementCount } from './shape.js';
import { checkTensor, type FloatOf, Tensor } from './tensor.js';

/** Tensors joined along `dim`; all other dims and the type are the same. */
export function cat<T extends TensorType>(tensors: readonly Tensor<T>[], dim = 0): Tensor<T> {
  checkTensors(tensors, 'cat');
  const [first] = tensors;
  if (first === undefined) throw new MobileNetError('ARG', 'cat: expected at least one tensor, got an empty list');
  const at = dimIndex(dim, first.dims.length);
  for (const { type, dims } of tensors) {
    if (
      type === first.type &&
      dims.length === first.dims.length &&
      dims.every((n, d) => d === at || n === first.dims[d])
    )
      continue;
    const got = `${type} ${show(dims)} beside ${first.type} ${show(first.dims)}`;
    throw new MobileNetError('ARG', `cat: expected tensors of the same type and dims but for dim ${dim}, got ${got}`);
  }
  const total = tensors.reduce((sum, { dims }) => sum + dims[at], 0);
  const dims = first.dims.with(at, total);
  const out = zeroed(first.type, elementCount(dims)) as Float32Array;
  const outer = elementCount(dims.slice(0, at));
  let to = 0;
  for (let o = 0; o < outer; o++) {
    for (const { data, size } of tensors) {
      const run = size / outer;
      out.set(data.subarray(o * run, (o + 1) * run) as Float32Array, to);
      to += run;
    }
  }
  return new Tensor(first.type, out as TensorData as TensorData<T>, dims);
}

function checkTensors(tensors: unknown, where: string): void {
  if (!Array.isArray(tensors)) throw expected(where, 'a list of tensors', tensors);
  for (const tensor of tensors) checkTensor(tensor, where);
}

/** Tensors of the same dims side by side along a new dimension. */
export function stack<T extends TensorType>(tensors: readonly Tensor<T>[], dim = 0): Tensor<T> {
  checkTensors(tensors, 'stack');
  return cat(
    tensors.map((tensor) => tensor.unsqueeze(dim)),
    dim,
  );
}

/** `tensor.permute(...axes)`. */
export function permute<T extends TensorType>(tensor: Tensor<T>, axes: readonly number[]): Tensor<T> {
  checkTensor(tensor, 'permute');
  checkSequence(axes, 'permute', 'a list of dimensions');
  return tensor.permute(...axes);
}

/** `tensor.mean(dim, keepdim)`. */
export function mean<T extends TensorType>(
  input: Tensor<T>,
  dim: number | null = null,
  keepdim = false,
): Tensor<FloatOf<T>> {
  checkTensor(input, 'mean');
  return input.mean(dim, keepdim);
}

/** [deviation, mean] along `dim`, of everything without it; squares are divided by their count less `correction`. */
export function std_mean<T extends TensorType>(
  input: Tensor<T>,
  dim: number | null = null,
  correction = 1,
  keepdim = false,
): [std: Tensor<FloatOf<T>>, mean: Tensor<FloatOf<T>>] {
  checkTensor(input, 'std_mean');
  const away = input.sub(input.mean(dim, true)) as Tensor<FloatOf<T>>;
  const count = dim === null ? input.size : input.dims[dimIndex(dim, input.dims.length)];
  const scale = Math.sqrt(count - correction);
  return [away.norm(2, dim, keepdim).div(scale) as Tensor<FloatOf<T>>, input.mean(dim, keepdim)];
}

/**
 * The largest `k` along the last dimension, falling, and where they are: `const [values, indices] = await topk(logits, 5)`.
 * Of equals the first comes first, NaN before all. Null, or more than there are, gives all.
 */
export async function topk<T extends TensorType>(
  x: Tensor<T>,
  k: number | null = null,
): Promise<[values: Tensor<T>, indices: Tensor<'int64'>]> {
  checkTensor(x, 'topk');
  if (k !== null && (!Number.isInteger(k) || k < 1)) {
    throw expected('topk', 'k as a whole number ≥ 1, or null for all', k);
  }
  const count = x.dims[dimIndex(-1, x.dims.length)];
  const kept = Math.min(k ?? count, count);
  const rows = x.size / count || 0;
  const dims = x.dims.with(-1, kept);
  // float16 as numbers; what is put back into it came from it.
  const values = x.type === 'float16' ? x.to('float32').data : x.data;
  const order = new BigInt64Array(rows * kept);
  const best = zeroed(x.type, rows * kept) as Float32Array;
  for (let row = 0; row < rows; row++) {
    const own = values.subarray(row * count, (row + 1) * count) as Float32Array;
    const ranks = Array.from(own.keys()).sort((a, b) => falling(own[a], own[b]));
    for (let i = 0; i < kept; i++) {
      order[row * kept + i] = BigInt(ranks[i]);
      best[row * kept + i] = x.data[row * count + ranks[i]] as number;
    }
  }
  return [new Tensor(x.type, best as TensorData as TensorData<T>, dims), new Tensor('int64', order, dims)];
}

/** Sorts the largest to the front, NaN before all; of bigints too. */
function falling(a: number, b: number): number {
  return b > a ? 1 : b < a ? -1 : Number(Number.isNaN(b)) - Number(Number.isNaN(a));
}

/** [M,K] times [K,N] is [M,N]; every row of features with every other: `await matmul(a, b.transpose(0, 1))`. */
export async function matmul(a: Tensor, b: Tensor): Promise<Tensor<'float32'>> {
  for (const factor of [a, b]) checkTensor(factor, 'matmul');
  const [[m, inner, ...rest], [same, n, ...more]] = [a.dims, b.dims];
  if (n === undefined || inner !== same || rest.length > 0 || more.length > 0) {
    throw new MobileNetError('ARG', `matmul: expected dims [M,K] and [K,N], got ${show(a.dims)} and ${show(b.dims)}`);
  }
  const [left, right] = [a.to('float64').data, b.to('float64').data];
  const out = new Float32Array(m * n);
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let i = 0; i < inner; i++) sum += left[row * inner + i] * right[i * n + column];
      out[row * n + column] = sum;
    }
  }
  return new Tensor('float32', out, [m, n]);
}

/** All the same: float32 of a number, int64 of a bigint, bool of a boolean. */
export function full(size: Dims, fill_value: number): Tensor<'float32'>;
export function full(size: Dims, fill_value: bigint): Tensor<'int64'>;
export function full(size: Dims, fill_value: boolean): Tensor<'bool'>;
export function full(size: Dims, fill_value: number | bigint | boolean): Tensor {
  const type = ({ number: 'float32', bigint: 'int64', boolean: 'bool' } as const)[typeof fill_value as 'number'];
  if (type === undefined) {
    throw expected('full', 'a number, bigint or boolean', fill_value);
  }
  const data = zeroed(type, elementCount(size)) as Float32Array;
  return new Tensor(type, data.fill(fill_value as number), size);
}

/** `full` in the dims of another tensor. */
export function full_like(tensor: Tensor, fill_value: number): Tensor {
  checkTensor(tensor, 'full_like');
  return full(tensor.dims, fill_value);
}

/** Ones, int64 as in transformers.js; `full(size, 1)` are float32. */
export function ones(size: Dims): Tensor<'int64'> {
  return full(size, 1n);
}

/** `ones` in the dims of another tensor. */
export function ones_like(tensor: Tensor): Tensor<'int64'> {
  checkTensor(tensor, 'ones_like');
  return ones(tensor.dims);
}

/** Zeros, int64 as in transformers.js; `full(size, 0)` are float32. */
export function zeros(size: Dims): Tensor<'int64'> {
  return full(size, 0n);
}

/** `zeros` in the dims of another tensor. */
export function zeros_like(tensor: Tensor): Tensor<'int64'> {
  checkTensor(tensor, 'zeros_like');
  return zeros(tensor.dims);
}

/** Evenly distributed from 0 to below 1, float32. */
export function rand(size: Dims): Tensor<'float32'> {
  return full(size, 0).map_(Math.random);
}

/** Normally distributed, mean 0 and deviation 1, float32 (Box and Muller 1958). */
export function randn(size: Dims): Tensor<'float32'> {
  return full(size, 0).map_(() => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()));
}
