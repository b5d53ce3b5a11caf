/** What the last layer sees of pictures, computed once for all epochs with the network as it runs. */
import { MobileNetError } from '../base/errors.js';
import type { Graph, LinearNode } from '../graph/nodes.js';
import type { MobileNetV2ForImageClassification } from '../models/mobilenet-v2/image-classification.js';
import { inOrder, loadBatch } from './batches.js';
import type { TrainingDataset } from './dataset.js';

/** Of all pictures of a dataset. */
export interface Features {
  /** [N,C] */
  values: Float32Array;
  channels: number;
  labels: Int32Array;
}

/** The last layer of a classifier. */
export function classifierOf(graph: Graph): LinearNode {
  const node = graph.nodes.find(({ op }) => op === 'linear');
  if (node === undefined) throw new MobileNetError('ARG', "train: 'head' needs a classifier, and the model has none");
  return node as LinearNode;
}

/** @throws what the dataset and the model throw; the signal's reason */
export async function featuresOf(
  model: MobileNetV2ForImageClassification,
  dataset: TrainingDataset,
  { batch, signal }: { batch: number; signal?: AbortSignal | undefined },
): Promise<Features> {
  const { length } = dataset;
  const { input, inChannels: channels } = classifierOf(model.graph);
  const labels = new Int32Array(length);
  const values = new Float32Array(length * channels);
  for (const pictures of inOrder(length, batch)) {
    signal?.throwIfAborted();
    const { pixel_values, labels: own } = await loadBatch(dataset, pictures, () => null);
    const found = await model.activations(pixel_values, [input], { signal });
    values.set(found.get(input)!.data, pictures[0] * channels);
    labels.set(own.data, pictures[0]);
  }
  return { values, channels, labels };
}
