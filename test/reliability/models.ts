/** Models for faults to happen to: small, with weights large enough that results differ from input to input. */
import {
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  type ModelOptions,
  Tensor,
} from '../../src/entries/main-node.js';

const SMALL = { depth_multiplier: 0.35, num_labels: 21, initializer_range: 0.2 };

export const classifier = (options: ModelOptions = {}, config: object = {}): MobileNetV2ForImageClassification =>
  new MobileNetV2ForImageClassification(new MobileNetV2Config({ ...SMALL, ...config }), { seed: 5, ...options });

export type Dims = [batch: number, channels: number, height: number, width: number];

export function picture(seed: number, dims: Dims = [1, 3, 64, 64]): Tensor<'float32'> {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor(
    'float32',
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + seed)),
    dims,
  );
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
