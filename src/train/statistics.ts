/**
 * Statistics of batch norms anew, for the weights as they are at the end: the mean over batches of the pictures as they are
 * evaluated. The running ones are of many weights, and of pictures that were cropped and colored.
 */
import { mapped } from '../base/mapped.js';
import { startTraining } from '../models/mobilenet-v2/gradients.js';
import { inOrder, loadBatch } from './batches.js';
import type { TrainingDataset } from './dataset.js';
import type { TrainableModel } from './trainer.js';

const STATISTICS = /\.running_(mean|var)$/;

export interface StatisticsOptions {
  /** As the training had it: its norms are those that looked at batches. */
  trainable: readonly string[] | undefined;
  /** Pictures a batch. */
  size: number;
  signal: AbortSignal | undefined;
}

/** @throws what the dataset throws; the signal's reason */
export async function statisticsOf(
  model: TrainableModel,
  dataset: TrainingDataset,
  { trainable, size, signal }: StatisticsOptions,
): Promise<Map<string, Float32Array>> {
  // With this momentum the running statistics are those of the last batch.
  const session = startTraining(model, { trainable, batch_norm: 'train', batch_norm_momentum: 1 });
  const sums = new Map<string, Float64Array>();
  let seen = 0;
  try {
    for (const pictures of inOrder(dataset.length, size)) {
      signal?.throwIfAborted();
      if (pictures.length === 1 && seen > 0) continue; // one picture has no variance
      const { pixel_values } = await loadBatch(dataset, pictures, () => null);
      const dims = pixel_values.dims as readonly [number, number, number, number];
      await session.forward(pixel_values.data, dims, signal);
      for (const [name, values] of await session.state()) {
        if (STATISTICS.test(name)) add(sums, name, values, pictures.length);
      }
      seen += pictures.length;
    }
  } finally {
    session.dispose();
  }
  return new Map(
    [...sums].map(([name, sum]) => [name, mapped(new Float32Array(sum.length), sum, (value) => value / seen)]),
  );
}

function add(sums: Map<string, Float64Array>, name: string, values: Float32Array, pictures: number): void {
  const sum = sums.get(name) ?? new Float64Array(values.length);
  for (let i = 0; i < sum.length; i++) sum[i] += values[i] * pictures;
  sums.set(name, sum);
}
