/** PyTorch's strided views: element (i, j, …) lies at i · strides[0] + j · strides[1] + … of its storage. */
import { rowMajorStrides } from '../tensor/shape.js';

/** Whether a view's elements already lie in row-major order. The stride of a dimension of size 1 says nothing. */
export function isRowMajor(dims: readonly number[], strides: readonly number[]): boolean {
  const expected = rowMajorStrides(dims);
  return dims.every((size, d) => size === 1 || strides[d] === expected[d]);
}

/**
 * Copies a view into row-major order. The caller has checked that every element lies within `from`.
 * @param from bytes, starting at the view's first element
 * @param byteLength bytes of the result
 * @param size bytes of one element
 */
export function toRowMajor(
  from: Uint8Array,
  dims: readonly number[],
  strides: readonly number[],
  byteLength: number,
  size: number,
): Uint8Array {
  const out = new Uint8Array(byteLength);
  const index = new Array<number>(dims.length).fill(0);
  let at = 0;
  for (let to = 0; to < byteLength; to += size) {
    for (let b = 0; b < size; b++) out[to + b] = from[at + b];
    for (let d = dims.length - 1; d >= 0; d--) {
      at += strides[d] * size;
      if (++index[d] < dims[d]) break;
      at -= strides[d] * dims[d] * size;
      index[d] = 0;
    }
  }
  return out;
}
