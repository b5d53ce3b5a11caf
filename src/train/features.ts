/** What the last layer sees of pictures, computed once for all epochs with the network as it runs. */
import { MobileNetError } from '../base/errors.js';
import type { MobileNetV2ForImageClassification } from '../models/mobilenet-v2/image-classification.js';
import { loadBatch } from './batches.js';
import type { TrainingDataset } from './dataset.js';

/** Of all pictures of a dataset. */
export interface Features {
  /** [N,C] */
  values: Float32Array;
  channels: number;
  labels: Int32Array;
}

/**
 * @param onBatch told how many pictures are done
 * @throws MobileNetError what the dataset and the model throw; the signal's reason
 */
export async function featuresOf(
  model: MobileNetV2ForImageClassification,
  dataset: TrainingDataset,
  { batch, signal }: { batch: number; signal?: AbortSignal | undefined },
): Promise<Features> {
  const { length } = dataset;
  const node = model.graph.nodes.find(({ op }) => op === 'linear');
  if (node === undefined) throw new MobileNetError('ARG', "train: 'head' needs a classifier, and the model has none");
  const input = (node as { input: string }).input;
  const labels = new Int32Array(length);
  let values = new Float32Array(0);
  let channels = 0;
  for (let from = 0; from < length; from += batch) {
    signal?.throwIfAborted();
    const pictures = Int32Array.from({ length: Math.min(batch, length - from) }, (_, i) => from + i);
    const { pixel_values, labels: own } = await loadBatch(dataset, pictures, () => null);
    const found = await model.activations(pixel_values, [input], { signal });
    const pooled = found.get(input)!;
    channels = pooled.size / pictures.length;
    if (from === 0) values = new Float32Array(length * channels);
    values.set(pooled.data, from * channels);
    labels.set(own.data as Int32Array, from);
  }
  return { values, channels, labels };
}
