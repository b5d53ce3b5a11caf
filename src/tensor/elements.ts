/** Element types of tensors, and lists of numbers as the typed array of one. */
import { expected, MobileNetError, show } from '../base/errors.js';
import { mapped } from '../base/mapped.js';
import { float16ToFloat32, float32ToFloat16 } from './half.js';

/** Element types and the typed array that holds each. float16 is held as bits (see half.ts). Each holds those before it, but int8 no uint8. */
export const ARRAYS = {
  bool: Uint8Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** Element types, by the names of transformers.js. */
export type TensorType = keyof typeof ARRAYS;
interface ArrayOf {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int16: Int16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
/** The typed array that holds elements of a type. */
export type TensorData<T extends TensorType = TensorType> = ArrayOf[T];

export function checkType(type: unknown): asserts type is TensorType {
  // Not `type in ARRAYS`: 'constructor' is in every object.
  if (typeof type === 'string' && Object.hasOwn(ARRAYS, type)) return;
  throw expected('Tensor type', `one of ${Object.keys(ARRAYS).join(', ')}`, type);
}

/** The type that holds elements of both, as PyTorch promotes them. */
export function widerType(a: TensorType, b: TensorType): TensorType {
  if ((a === 'uint8' && b === 'int8') || (a === 'int8' && b === 'uint8')) return 'int16';
  const order = Object.keys(ARRAYS) as TensorType[];
  return order[Math.max(order.indexOf(a), order.indexOf(b))];
}

export const isFloat = (type: TensorType): boolean => type.startsWith('float');

/** Memory for so many elements. @throws MobileNetError OUT_OF_MEMORY */
export function zeroed<T extends TensorType>(type: T, length: number): TensorData<T> {
  try {
    return new ARRAYS[type](length) as TensorData as TensorData<T>;
  } catch (cause) {
    throw new MobileNetError('OUT_OF_MEMORY', `there is no memory for ${length} elements of ${type}`, { cause });
  }
}

/** What arithmetic reads: float16 decoded, int64 as bigints, bool as 0 and 1. */
export function valuesOf({ type, data }: { type: TensorType; data: TensorData }): Exclude<TensorData, Uint16Array> {
  return type === 'float16' ? float16ToFloat32(data as Uint16Array) : (data as Float32Array);
}

/** The same with int64 as numbers. */
export function numbersOf(tensor: { type: TensorType; data: TensorData }): ArrayLike<number> {
  const values = valuesOf(tensor);
  return values instanceof BigInt64Array ? mapped(new Float64Array(values.length), values, Number) : values;
}

export function checkList(list: readonly unknown[]): void {
  const wrong = list.findIndex((item) => !['number', 'bigint', 'boolean'].includes(typeof item));
  if (wrong < 0) return;
  throw new MobileNetError('ARG', `Tensor data: element ${wrong} is ${show(list[wrong])}; expected numbers`);
}

/** Any list of numbers, bigints or booleans as the typed array of `type`. */
export function fromList(type: TensorType, list: ArrayLike<number | bigint | boolean>): TensorData {
  if (type === 'float16') return float32ToFloat16(mapped(new Float32Array(list.length), list, Number));
  if (type === 'int64') {
    return mapped(new BigInt64Array(list.length), list, (v) =>
      typeof v === 'bigint' ? v : BigInt(Math.trunc(Number.isFinite(Number(v)) ? Number(v) : 0)),
    );
  }
  if (type === 'bool') return mapped(new Uint8Array(list.length), list, (v) => (v || Number.isNaN(v) ? 1 : 0));
  const out = zeroed(type, list.length) as Float64Array;
  for (let i = 0; i < list.length; i++) out[i] = Number(list[i]);
  return out as TensorData;
}
