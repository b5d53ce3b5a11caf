/** Pictures of a dataset, together as a network takes them. */
import { MobileNetError, show } from '../base/errors.js';
import { mapped } from '../base/mapped.js';
import { Tensor } from '../tensor/tensor.js';
import type { TrainingDataset, TrainingItem } from './dataset.js';
import type { Random } from './random.js';

/** Pictures and their labels. */
export interface Batch {
  /** [N,C,H,W] */
  pixel_values: Tensor<'float32'>;
  /** [N], or [N,H,W] where pixels have classes. */
  labels: Tensor<'int32'>;
}

/** All pictures one after another, some at a time. */
export function* inOrder(length: number, size: number): Generator<Int32Array> {
  for (let from = 0; from < length; from += size) {
    yield new Int32Array(Math.min(size, length - from)).map((_, i) => from + i);
  }
}

/** @param randomOf draws the augmentation of a picture */
export async function loadBatch(
  dataset: TrainingDataset,
  pictures: Int32Array,
  randomOf: (picture: number) => Random | null,
): Promise<Batch> {
  const items = await Promise.all(Array.from(pictures, (picture) => dataset.item(picture, randomOf(picture))));
  const dims = [items.length, ...dataset.dims];
  const size = dataset.dims.reduce((product, side) => product * side, 1);
  const pixels = new Float32Array(items.length * size);
  for (const [i, { pixel_values }] of items.entries()) {
    if (pixel_values.length !== size) {
      throw new MobileNetError(
        'ARG',
        `dataset: expected pictures of ${show(dataset.dims)}, got ${pixel_values.length} numbers for picture ${pictures[i]}`,
      );
    }
    pixels.set(pixel_values, i * size);
  }
  return { pixel_values: new Tensor('float32', pixels, dims), labels: labelsOf(items, dataset) };
}

function labelsOf(items: readonly TrainingItem[], { dims: [, height, width] }: TrainingDataset): Tensor<'int32'> {
  if (items.every(({ label }) => typeof label === 'number')) {
    return new Tensor(
      'int32',
      mapped(new Int32Array(items.length), items, ({ label }) => label as number),
      [items.length],
    );
  }
  const pixels = height * width;
  const labels = new Int32Array(items.length * pixels);
  for (const [i, { label }] of items.entries()) {
    if (typeof label === 'number' || label.length !== pixels) {
      throw new MobileNetError(
        'ARG',
        `dataset: expected a class for each of ${height}×${width} pixels, got ${show(label)}`,
      );
    }
    labels.set(label, i * pixels);
  }
  return new Tensor('int32', labels, [items.length, height, width]);
}
