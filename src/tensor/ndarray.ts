/**
 * The bridge to ndarray (strided views) and ndarray-ops (loops over them), public as `mobilenet-v2/ndarray`. This is the
 * one file that imports them, and nothing a browser loads imports this file: both write their loops as text and compile
 * them with `new Function`, which a strict content security policy and edge runtimes refuse.
 */
import ndarray, { type Data, type NdArray } from 'ndarray';
import ops from 'ndarray-ops';
import { asTyped } from '../base/brands.js';
import { checkSequence } from '../base/check.js';
import { expected, MobileNetError, show } from '../base/errors.js';
import { looksLikePixels, type Pixels } from '../base/pixels.js';
import { elementCount, rowMajorStrides } from './shape.js';
import { checkTensor, Tensor, type TensorType } from './tensor.js';

export { type NdArray, ndarray, ops };

/** Of numbers, or of bigints. */
type AnyNdArray = NdArray<Data>;

/**
 * The values of a tensor as an ndarray of the same shape; **shares memory**. float16 shows its bits, bool 0 and 1; int64's
 * elements are bigints, which TypeScript is not told.
 */
export function toNdarray(tensor: Tensor): NdArray {
  checkTensor(tensor, 'toNdarray');
  return ndarray(tensor.data as Float32Array, [...tensor.dims], rowMajorStrides(tensor.dims), 0);
}

/** What a tensor makes of the typed arrays that both sides have, by ndarray's names. */
const TYPES: Record<string, TensorType> = {
  float32: 'float32',
  float64: 'float64',
  int32: 'int32',
  int16: 'int16',
  int8: 'int8',
  uint8: 'uint8',
  uint8_clamped: 'uint8',
  bigint64: 'int64',
};
/** Elements that no tensor has but every float64 holds exactly. */
const NUMBERS = ['uint16', 'uint32', 'array', 'generic'];

/**
 * An ndarray as a tensor. Where its elements are of the tensor's type and lie in row-major order without gaps, from any
 * offset on, the tensor **shares memory** with it; else they are copied.
 *
 * @param array any view, also one that is sliced, stepped, reversed or transposed
 * @param type the tensor's type; it must be given for lists and for unsigned integers of 16 and 32 bits. Elements
 *   are converted as by `Tensor.to`, but for 'float16', which takes a Uint16Array as its bits
 * @throws MobileNetError ARG for elements without a type, and for a view that reaches outside its data
 */
export function fromNdarray<T extends TensorType = TensorType>(array: AnyNdArray, type?: T): Tensor<T> {
  checkView(array);
  const own = type === 'float16' && array.dtype === 'uint16' ? type : TYPES[array.dtype];
  if (own === undefined && (type === undefined || !NUMBERS.includes(array.dtype))) {
    throw new MobileNetError(
      'ARG',
      `fromNdarray: expected elements of ${Object.keys(TYPES).join(', ')}, got ${show(array.dtype)}${type === undefined ? '; give the type the tensor is to have' : ''}`,
    );
  }
  const tensor = own === undefined ? copy(array, 'float64') : isRowMajor(array) ? share(array, own) : copy(array, own);
  return (type === undefined || type === tensor.type ? tensor : tensor.to(type)) as Tensor<T>;
}

/** Whether the elements lie as a tensor's do. Strides along dimensions of one element are never walked. */
function isRowMajor({ shape, stride, size }: AnyNdArray): boolean {
  const expected = rowMajorStrides(shape);
  return size === 0 || shape.every((length, d) => length === 1 || stride[d] === expected[d]);
}

function share({ data, offset, shape, size }: AnyNdArray, type: TensorType): Tensor {
  const start = size === 0 ? 0 : offset;
  const values = (data as Float32Array | Uint8ClampedArray).subarray(start, start + size);
  const clamped = asTyped(values, Uint8ClampedArray);
  const plain = clamped ? new Uint8Array(clamped.buffer, clamped.byteOffset, size) : (values as Float32Array);
  return new Tensor(type, plain, shape);
}

function copy(array: AnyNdArray, type: TensorType): Tensor {
  const tensor = new Tensor('uint8', new Uint8Array(array.size), array.shape).to(type); // zeros of whatever kind
  ops.assign(toNdarray(tensor), array as NdArray);
  return tensor;
}

/** ndarray itself checks nothing, and typed arrays give undefined outside their bounds, which would become 0 or NaN. */
function checkView(array: AnyNdArray): void {
  const { data, shape, stride, offset } = array ?? {};
  if (!Array.isArray(shape) || !Array.isArray(stride) || shape.length !== stride.length || data === undefined) {
    throw expected('fromNdarray', 'an ndarray', array);
  }
  if (elementCount(shape) === 0) return;
  let first = offset;
  let last = offset;
  for (const [d, length] of shape.entries()) {
    const reach = (length - 1) * stride[d];
    if (reach < 0) first += reach;
    else last += reach;
  }
  if (!(Number.isInteger(first) && Number.isInteger(last) && first >= 0 && last < data.length)) {
    throw new MobileNetError(
      'ARG',
      `fromNdarray: shape ${show(shape)}, strides ${show(stride)}, offset ${show(offset)} reach from ${first} to ${last} of ${data.length} elements`,
    );
  }
}

/** Interleaved pixels: a `RawImage`, or a codec's output of 16 bits. */
export interface InterleavedPixels extends Omit<Pixels, 'data'> {
  readonly data: Pixels['data'] | Uint16Array;
}

/** A picture as an ndarray [H,W,C]; **shares memory**. `.hi(height, width, 3)` is RGBA without its alpha. */
export function hwcView(image: InterleavedPixels): NdArray {
  if (!looksLikePixels(image)) throw expected('hwcView', '{ data, width, height, channels }', image);
  const { data, width, height, channels } = image;
  checkSequence(data, 'hwcView');
  if (elementCount([height, width, channels]) > data.length)
    throw expected('hwcView', `${height}×${width}×${channels} values`, data);
  return ndarray(data as Uint8Array, [height, width, channels]);
}

/** A picture as an ndarray of planes [C,H,W], although its pixels stay interleaved; **shares memory**. */
export function chwView(image: InterleavedPixels): NdArray {
  return hwcView(image).transpose(2, 0, 1);
}
