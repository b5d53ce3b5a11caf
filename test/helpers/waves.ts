/** Numbers from −1 to 1 that repeat nowhere, for pixels, weights and pictures. */
import { Tensor } from '../../src/tensor/tensor.js';

export type Dims = [batch: number, channels: number, height: number, width: number];

/** `sin(start + step · i)`. */
export const waves = (size: number, step = 1, start = 0): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(i * step + start));

/** A picture as networks get it, another for every seed. [N,C,H,W] */
export function picture(seed: number, dims: Dims = [1, 3, 64, 64]): Tensor<'float32'> {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor('float32', waves(size, 1.7, seed), dims);
}
