/**
 * Tensors as a file holds them: little-endian bytes with a name for their element type. Readers of every format end here,
 * and everything above asks for float32 or int64 by the two functions below.
 *
 * Typed arrays have the byte order of the machine. JavaScript engines run on little-endian machines only, so viewing a
 * file's bytes as a Float32Array is reading it.
 */
import { MobileNetError, show } from '../base/errors.js';
import type { TensorData } from '../tensor/elements.js';
import { bfloat16ToFloat32, float16ToFloat32 } from '../tensor/half.js';
import { Tensor } from '../tensor/tensor.js';

/**
 * Element types of safetensors 0.8 and their bits, in the order of the Rust library's enum: its writer puts later ones
 * first, so that wide elements come out aligned.
 */
const DTYPE_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

export type StoredDtype = keyof typeof DTYPE_BITS;
export const DTYPES = Object.keys(DTYPE_BITS) as readonly StoredDtype[];

export interface StoredTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly dims: readonly number[];
  /** Row-major, little-endian; usually a view into the whole file's bytes. */
  readonly bytes: Uint8Array;
  /** The file it came from. */
  readonly file: string;
  /** Where its data begin in that file, in bytes. */
  readonly offset: number;
  /** Of whole numbers that stand for real ones. */
  readonly quantization?: StoredQuantization;
  /** Of a tensor that the file has compressed: to be called before `bytes` are looked at, which are empty until then. */
  unpack?(signal?: AbortSignal): Promise<void>;
}

/** How whole numbers stand for real ones: real = scale · (number − zero point). */
export interface StoredQuantization {
  /** One number, or one for each index along `axis`. */
  scales: readonly number[];
  /** As many. */
  zeroPoints: readonly number[];
  /** Null for one scale. */
  axis: number | null;
}

export interface StoredTensors {
  tensors: Map<string, StoredTensor>;
  /** What the file says about itself, such as `format: 'pt'`. Has no prototype. */
  metadata: Record<string, string>;
  /** What the reader chose where the file leaves a choice, in whole sentences. */
  notes?: readonly string[];
}

export function isDtype(name: unknown): name is StoredDtype {
  return DTYPES.includes(name as StoredDtype);
}

/** Bytes that a tensor takes; undefined when they cannot be counted exactly or do not end on a whole byte. */
export function storedBytes(dtype: StoredDtype, dims: readonly number[]): number | undefined {
  let bits: number = DTYPE_BITS[dtype];
  for (const size of dims) {
    bits *= size;
    // Checked at every step, as the Rust library does: a later 0 does not excuse an overflow.
    if (!Number.isSafeInteger(bits)) return undefined;
  }
  return bits % 8 === 0 ? bits / 8 : undefined;
}

/**
 * The tensor as float32. An F32 whose data are aligned shares the file's memory; others are copied. F16 and BF16 widen
 * exactly.
 * @throws MobileNetError DTYPE for any other element type
 */
export function toFloat32(stored: StoredTensor): Tensor<'float32'> {
  switch (stored.dtype) {
    case 'F32':
      return new Tensor('float32', elements(stored, Float32Array), stored.dims);
    case 'F16':
      return new Tensor('float32', float16ToFloat32(elements(stored, Uint16Array)), stored.dims);
    case 'BF16':
      return new Tensor('float32', bfloat16ToFloat32(elements(stored, Uint16Array)), stored.dims);
    default:
      return refuseDtype(stored, 'F32, F16 or BF16');
  }
}

/** The tensor as int64. @throws MobileNetError DTYPE for any other type */
export function toInt64(stored: StoredTensor): Tensor<'int64'> {
  if (stored.dtype !== 'I64') return refuseDtype(stored, 'I64');
  return new Tensor('int64', elements(stored, BigInt64Array), stored.dims);
}

/** Types of whole numbers that weights may have, by the names of a file. */
const WHOLE = { I8: ['int8', Int8Array], I16: ['int16', Int16Array], I32: ['int32', Int32Array] } as const;

/** The tensor as it is, of whole numbers. @throws MobileNetError DTYPE for any type but those wanted */
export function toWhole<T extends 'int8' | 'int16' | 'int32'>(stored: StoredTensor, types: readonly T[]): Tensor<T> {
  const [type, ArrayType] = WHOLE[stored.dtype as keyof typeof WHOLE] ?? [];
  if (ArrayType === undefined || !types.includes(type as T)) {
    return refuseDtype(stored, types.map((name) => name.replace('int', 'I')).join(' or '));
  }
  return new Tensor(type as T, elements<TensorData<T>>(stored, ArrayType as never), stored.dims);
}

const NUMBERS: Partial<Record<StoredDtype, (view: DataView) => number | bigint>> = {
  I64: (view) => view.getBigInt64(0, true),
  U64: (view) => view.getBigUint64(0, true),
  F64: (view) => view.getFloat64(0, true),
  I32: (view) => view.getInt32(0, true),
  U32: (view) => view.getUint32(0, true),
  I16: (view) => view.getInt16(0, true),
  U16: (view) => view.getUint16(0, true),
  I8: (view) => view.getInt8(0),
  U8: (view) => view.getUint8(0),
  BOOL: (view) => view.getUint8(0),
};

/**
 * Batch norm's count of training steps. PyTorch keeps it as int64; whoever converts a whole checkpoint to half precision
 * converts it too. Nothing reads it, so no type is refused: anything but a whole number counts as 0.
 */
export function toCounter(stored: StoredTensor): bigint {
  const { bytes, dtype } = stored;
  if (bytes.length === 0) return 0n;
  const isFloat = dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
  const value = isFloat
    ? toFloat32(stored).data[0]
    : (NUMBERS[dtype]?.(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)) ?? 0);
  if (typeof value === 'bigint') return BigInt.asIntN(64, value);
  return Number.isFinite(value) ? BigInt.asIntN(64, BigInt(Math.trunc(value))) : 0n;
}

interface ArrayConstructor<A> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, offset: number, length: number): A;
}

function elements<A>(stored: StoredTensor, ArrayType: ArrayConstructor<A>): A {
  const size = ArrayType.BYTES_PER_ELEMENT;
  // A typed array must begin at a multiple of its element size; data in files need not.
  const bytes = stored.bytes.byteOffset % size === 0 ? stored.bytes : new Uint8Array(stored.bytes);
  return new ArrayType(bytes.buffer, bytes.byteOffset, bytes.length / size);
}

function refuseDtype(stored: StoredTensor, expected: string): never {
  throw new MobileNetError(
    'DTYPE',
    `${show(stored.name)}: expected ${expected}, got ${stored.dtype} in ${stored.file}; convert the checkpoint to float32`,
    { file: stored.file, tensor: stored.name, offset: stored.offset },
  );
}
