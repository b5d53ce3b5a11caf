/** The values of a TFLite file's constants: as they are, as real numbers, and centered. */
import { mapped } from '../base/mapped.js';
import type { StoredTensor } from '../formats/stored.js';
import type { TfliteTensor } from '../formats/tflite/tflite.js';
import type { Unpacking } from '../formats/unpacking.js';
import { float16ToFloat32 } from '../tensor/half.js';

type Numbers = Float32Array | Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array;

/** The numbers of a constant; int64 as numbers. A type that no weight has gives an empty list. */
export function elementsOf({ dtype, bytes = new Uint8Array() }: TfliteTensor): ArrayLike<number> {
  // A typed array must begin at a multiple of its element size; data in files need not.
  const own = () => bytes.slice().buffer;
  switch (dtype) {
    case 'F32':
      return new Float32Array(own());
    case 'F16':
      return float16ToFloat32(new Uint16Array(own()));
    case 'U8':
      return bytes;
    case 'I8':
      return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    case 'I16':
      return new Int16Array(own());
    case 'I32':
      return new Int32Array(own());
    case 'I64':
      return mapped(new Float64Array(bytes.length / 8), new BigInt64Array(own()), Number);
    default:
      return [];
  }
}

/** The numbers of a constant that says sizes, axes or factors; undefined for one too long to be any of these. */
export function smallConstant(tensor: TfliteTensor | undefined): number[] | undefined {
  const isSmall = tensor?.bytes !== undefined && tensor.bytes.length <= MOST_BYTES;
  return isSmall ? Array.from(elementsOf(tensor)) : undefined;
}

/** The longest is the padding of four dimensions, in int64. */
const MOST_BYTES = 64;

/** For each element the index of its scale: 0 where there is one. */
export function scaleIndex({ dims, quantization }: TfliteTensor): (element: number) => number {
  const axis = quantization?.axis ?? null;
  if (axis === null) return () => 0;
  const inner = dims.slice(axis + 1).reduce((product, size) => product * size, 1);
  const count = dims[axis];
  return (element) => Math.floor(element / inner) % count;
}

/** Real numbers, computed when somebody asks for them; those that are stored so share the file's memory. */
export function realNumbers(tensor: TfliteTensor, file: string, unpacking: Unpacking): StoredTensor {
  const { name, dims, offset, dtype, quantization } = tensor;
  if (quantization === undefined || tensor.bytes === undefined) {
    return { name, dims, offset, dtype, file, bytes: tensor.bytes ?? new Uint8Array() };
  }
  let bytes: Uint8Array | undefined;
  const unpack = () => {
    const numbers = elementsOf(tensor) as Exclude<Numbers, BigInt64Array>;
    unpacking.take(numbers.length * Float32Array.BYTES_PER_ELEMENT, name, offset);
    const { scales, zeroPoints } = quantization;
    const index = scaleIndex(tensor);
    // Exact in float64, and rounded once.
    const values = mapped(new Float32Array(numbers.length), numbers, (value, i) => {
      const k = index(i);
      return (value - zeroPoints[k]) * scales[k];
    });
    return new Uint8Array(values.buffer);
  };
  return {
    ...{ name, dims, file, offset, dtype: 'F32' },
    get bytes() {
      bytes ??= unpack();
      return bytes;
    },
  };
}
