/**
 * Dimension letters, used in every file of this project:
 *
 *   N batch · H, W height and width · C input channels · K output channels · R×S kernel height and width
 *
 * Public tensors are NCHW, as Hugging Face has them; inside the network everything is NHWC, so that the innermost loop
 * of every convolution runs over neighbouring channels.
 */
import { checkSequence } from '../base/check.js';
import { expected, MobileNetError, show } from '../base/errors.js';

/** Sizes of the dimensions, the outermost first. */
export type Dims = readonly number[];

/** Elements in a tensor of these dimensions. Throws ARG for a dimension that is not a whole number ≥ 0, and for a product past 2⁵³. */
export function elementCount(dims: Dims): number {
  checkSequence(dims, 'dims', 'an array of sizes');
  let count = 1;
  for (const size of dims) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw expected(`dims ${show(dims)}`, 'whole numbers ≥ 0', size);
    }
    count *= size;
  }
  if (!Number.isSafeInteger(count)) {
    throw new MobileNetError('ARG', `dims ${show(dims)}: ${count} elements are more than can be counted exactly`);
  }
  return count;
}

/** Row-major strides in elements: the last dimension is contiguous. */
export function rowMajorStrides(dims: Dims): number[] {
  const strides = new Array<number>(dims.length);
  let step = 1;
  for (let d = dims.length - 1; d >= 0; d--) {
    strides[d] = step;
    step *= dims[d];
  }
  return strides;
}

/** Resolves a negative dimension as Python does (-1 is the last) and refuses one outside the tensor. */
export function dimIndex(dim: number, rank: number): number {
  const index = typeof dim === 'number' && dim < 0 ? dim + rank : dim;
  if (!Number.isInteger(index) || index < 0 || index >= rank) {
    throw new MobileNetError('ARG', `dim ${show(dim)}: a tensor of rank ${rank} has dims ${-rank} to ${rank - 1}`);
  }
  return index;
}

export function sameDims(a: Dims, b: Dims): boolean {
  return a.length === b.length && a.every((size, d) => size === b[d]);
}

/** The dims that both fit by NumPy's and PyTorch's rule: aligned at the last, a 1 stretches; undefined where they do not. */
export function broadcastDims(a: Dims, b: Dims): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const dims = Array.from({ length: rank }, (_, d) => {
    const [x, y] = [a[a.length - rank + d] ?? 1, b[b.length - rank + d] ?? 1];
    return x === 1 ? y : y === 1 || y === x ? x : -1;
  });
  return dims.includes(-1) ? undefined : dims;
}

/** [N,C,H,W] → [N,H,W,C]. */
export function nchwToNhwc(x: Float32Array, y: Float32Array, n: number, c: number, h: number, w: number): void {
  const plane = h * w;
  for (let image = 0; image < n; image++) {
    for (let channel = 0; channel < c; channel++) {
      const from = (image * c + channel) * plane;
      let to = image * plane * c + channel;
      for (let p = 0; p < plane; p++, to += c) y[to] = x[from + p];
    }
  }
}

/** [N,H,W,C] → [N,C,H,W]. */
export function nhwcToNchw(x: Float32Array, y: Float32Array, n: number, c: number, h: number, w: number): void {
  const plane = h * w;
  for (let image = 0; image < n; image++) {
    for (let channel = 0; channel < c; channel++) {
      const to = (image * c + channel) * plane;
      let from = image * plane * c + channel;
      for (let p = 0; p < plane; p++, from += c) y[to + p] = x[from];
    }
  }
}
