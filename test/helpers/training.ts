/** Data and networks small enough to be trained many times in a test. */
import { MobileNetV2Config, MobileNetV2ForImageClassification } from '../../src/entries/main-node.js';
import { Random, type TrainingDataset } from '../../src/entries/train.js';

/** Pictures of three classes: stripes across, stripes down, and neither, with noise. */
export function stripedPictures(length: number, { seed = 1, side = 32 } = {}): TrainingDataset {
  const targets = Int32Array.from({ length }, (_, i) => i % 3);
  return {
    length,
    dims: [3, side, side],
    id2label: { 0: 'across', 1: 'down', 2: 'plain' },
    targets,
    async item(index, random) {
      const noise = Random.at(seed, index);
      const shift = random === null ? 0 : random.integer(4);
      const pixel_values = new Float32Array(3 * side * side);
      for (let i = 0; i < pixel_values.length; i++) {
        const [x, y] = [i % side, Math.floor(i / side) % side];
        const stripe = targets[index] === 2 ? 0.5 : Number((targets[index] === 0 ? y + shift : x + shift) % 4 < 2);
        pixel_values[i] = stripe * 2 - 1 + noise.uniform(-0.5, 0.5);
      }
      return { pixel_values, label: targets[index] };
    },
  };
}

/** An untrained classifier of them. */
export function tinyClassifier(
  options: ConstructorParameters<typeof MobileNetV2ForImageClassification>[1] = {},
): MobileNetV2ForImageClassification {
  const config = new MobileNetV2Config({
    ...{ depth_multiplier: 0.1, image_size: 32, finegrained_output: false },
    ...{ initializer_range: 0.3, classifier_dropout_prob: 0.1 },
    id2label: { 0: 'across', 1: 'down', 2: 'plain' },
  });
  return new MobileNetV2ForImageClassification(config, { seed: 1, threads: 1, ...options });
}
