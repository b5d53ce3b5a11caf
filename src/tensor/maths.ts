/** Vectors as arrays, `logits.data` or lists of numbers: softmax and similarity, by the names of transformers.js. */
import { expected, MobileNetError, show } from '../base/errors.js';
import { mapped } from '../base/mapped.js';

/** Numbers in a row: a list or a typed array, also one of bigints. */
export type Vector = ArrayLike<number> | ArrayLike<bigint>;

/** exp(x) / Σ exp(x). A list gives a list, a typed array a Float32Array (a Float64Array its like). */
export function softmax<T extends Vector>(
  arr: T,
): T extends number[] ? number[] : T extends Float64Array ? T : Float32Array {
  return shifted(arr, 'softmax', (x, logSum) => Math.exp(x - logSum)) as ReturnType<typeof softmax<T>>;
}

/** The logarithms of `softmax`. */
export function log_softmax<T extends Vector>(arr: T): ReturnType<typeof softmax<T>> {
  return shifted(arr, 'log_softmax', (x, logSum) => x - logSum) as ReturnType<typeof softmax<T>>;
}

/** `finish` of each number less the largest, and log Σ exp of all of these. */
function shifted(arr: Vector, name: string, finish: (x: number, logSum: number) => number) {
  const values = vector(arr, name);
  const largest = values.reduce((most, x) => Math.max(most, x), -Infinity);
  const logSum = Math.log(values.reduce((sum, x) => sum + Math.exp(x - largest), 0));
  const out = values.map((x) => finish(x - largest, logSum));
  return Array.isArray(arr) ? Array.from(out) : arr instanceof Float64Array ? out : new Float32Array(out);
}

/** Σ a·b. @throws MobileNetError ARG for vectors of different lengths */
export function dot(arr1: Vector, arr2: Vector): number {
  const [a, b] = [vector(arr1, 'dot'), vector(arr2, 'dot')];
  if (a.length !== b.length) {
    throw new MobileNetError('ARG', `dot: expected vectors of the same length, got ${a.length} and ${b.length}`);
  }
  return a.reduce((sum, x, i) => sum + x * b[i], 0);
}

/** √Σ x². */
export function magnitude(arr: Vector): number {
  return Math.sqrt(dot(arr, arr));
}

/** The cosine of the angle between two vectors: 1 for the same direction. NaN where one of them is all zeros. */
export function cos_sim(arr1: Vector, arr2: Vector): number {
  return dot(arr1, arr2) / (magnitude(arr1) * magnitude(arr2));
}

function numberOf(item: unknown, name: string): number {
  if (typeof item === 'number' || typeof item === 'bigint') return Number(item);
  throw expected(name, 'numbers', item);
}

function vector(arr: Vector, name: string): Float64Array {
  if (Array.isArray(arr) || ArrayBuffer.isView(arr))
    return mapped(new Float64Array(arr.length), arr as ArrayLike<number>, (item) => numberOf(item, name));
  throw new MobileNetError(
    'ARG',
    `${name}: expected a list of numbers or a typed array, got ${show(arr)}; of a Tensor hand in its data, or a row's: tensor[0].data`,
  );
}
