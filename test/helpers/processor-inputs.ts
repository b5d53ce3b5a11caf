/** Pictures and logits of test/goldens/processors/make.py: the same formulas, so that only results are stored. */
import type { Pixels } from '../../src/base/pixels.js';
import { Tensor } from '../../src/tensor/tensor.js';

/** An input as cases.json describes it. */
export interface InputSpec {
  as: 'pixels' | 'tensor';
  kind: 'pattern' | 'noise' | 'labels';
  width: number;
  height: number;
  channels: number;
  seed?: number;
  map?: boolean;
  layout?: 'chw' | 'hwc';
  dtype?: 'uint8' | 'int32' | 'int64' | 'float32' | 'float64';
  unit?: boolean;
  shift?: number;
}

/** The 32-bit states of Numerical Recipes' generator. */
function lcg(seed: number, count: number): Uint32Array {
  const states = new Uint32Array(count);
  let state = seed;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    states[i] = state;
  }
  return states;
}

export function makePixels(kind: InputSpec['kind'], width: number, height: number, channels = 3, seed = 1): Pixels {
  const data = new Uint8Array(width * height * channels);
  const noise = kind === 'noise' ? lcg(seed, data.length) : undefined;
  let i = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++, i++) {
        const block = (Math.floor(x / 3) + Math.floor(y / 4) * 2 + seed) % 6;
        if (noise) data[i] = noise[i]! >>> 24;
        else if (kind === 'pattern') data[i] = (x * 7 + y * 13 + c * 29 + x * y) % 256;
        else data[i] = block === 5 ? 255 : block;
      }
    }
  }
  return { data, width, height, channels };
}

export function makeInput(spec: InputSpec): Pixels | Tensor {
  const pixels = makePixels(spec.kind, spec.width, spec.height, spec.channels, spec.seed);
  if (spec.as === 'pixels') return pixels;
  const float = spec.dtype === 'float32' ? Math.fround : (value: number) => value;
  const values = Array.from(pixels.data, (value) => (spec.unit ? float(value / 255) : value) + (spec.shift ?? 0));
  if (spec.map) return new Tensor(spec.dtype!, values, [spec.height, spec.width]);
  const tensor = new Tensor(spec.dtype!, values, [spec.height, spec.width, spec.channels]);
  return spec.layout === 'chw' ? tensor.permute(2, 0, 1) : tensor;
}

/** Uniform in [-5, 5), or with `levels` that many whole numbers. [N,K,h,w] */
export function makeLogits(dims: number[], seed: number, levels: number): Tensor<'float32'> {
  const states = lcg(
    seed,
    dims.reduce((a, b) => a * b, 1),
  );
  const value = (state: number) =>
    levels > 0 ? Math.floor(((state >>> 8) * levels) / 2 ** 24) : ((state >>> 8) / 2 ** 24) * 10 - 5;
  return new Tensor('float32', Float32Array.from(states, value), dims);
}
