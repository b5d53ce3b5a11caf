/** What a training works on: a session, and where its batches come from. */
import { MobileNetError } from '../base/errors.js';
import type { MobileNetV2ForImageClassification } from '../models/mobilenet-v2/image-classification.js';
import type { SessionOptions, TrainingSession } from '../runtime/training/types.js';
import { Tensor } from '../tensor/tensor.js';
import type { TrainingArguments } from './arguments.js';
import { type Batch, loadBatch } from './batches.js';
import type { TrainingDataset } from './dataset.js';
import { type Features, featuresOf } from './features.js';
import { HeadSession } from './head.js';
import { Random } from './random.js';
import type { TrainableModel } from './trainer.js';

/** What a network says of pictures, batch by batch. */
export type Predictions = AsyncIterable<{ logits: Tensor<'float32'>; labels: Tensor<'int32'> }>;

export interface Learner {
  readonly session: TrainingSession;
  /** Pictures of the training, as this epoch shows them. */
  batch(pictures: Int32Array, epoch: number): Promise<Batch>;
  /** What it says of other pictures as it is now; undefined where the network itself has to be asked. */
  predict?(dataset: TrainingDataset, size: number, signal: AbortSignal | undefined): Predictions;
  dispose(): void;
}

/** The last layer on features that are computed once. */
class HeadLearner implements Learner {
  readonly session: HeadSession;
  readonly #features = new Map<TrainingDataset, Features>();
  readonly #model: MobileNetV2ForImageClassification;
  readonly #training: Features;

  private constructor(model: MobileNetV2ForImageClassification, training: Features) {
    this.#model = model;
    this.#training = training;
    this.session = new HeadSession(model.state_dict() as ReadonlyMap<string, Tensor>);
  }

  static async make(
    model: MobileNetV2ForImageClassification,
    dataset: TrainingDataset,
    how: { batch: number; signal: AbortSignal | undefined },
  ): Promise<HeadLearner> {
    const features = await featuresOf(model, dataset, how);
    const made = new HeadLearner(model, features);
    made.#features.set(dataset, features);
    return made;
  }

  async batch(pictures: Int32Array): Promise<Batch> {
    return batchOf(this.#training, pictures);
  }

  async *predict(dataset: TrainingDataset, size: number, signal: AbortSignal | undefined): Predictions {
    const features = this.#features.get(dataset) ?? (await featuresOf(this.#model, dataset, { batch: size, signal }));
    this.#features.set(dataset, features);
    for (let from = 0; from < dataset.length; from += size) {
      signal?.throwIfAborted();
      const pictures = Int32Array.from({ length: Math.min(size, dataset.length - from) }, (_, i) => from + i);
      const { pixel_values, labels } = batchOf(features, pictures);
      yield { logits: this.session.logits(pixel_values.data, pictures.length), labels };
    }
  }

  dispose(): void {
    this.#features.clear();
  }
}

function batchOf({ values, channels, labels }: Features, pictures: Int32Array): Batch {
  const own = new Float32Array(pictures.length * channels);
  for (const [i, picture] of pictures.entries())
    own.set(values.subarray(picture * channels, (picture + 1) * channels), i * channels);
  return {
    pixel_values: new Tensor('float32', own, [pictures.length, channels, 1, 1]),
    labels: new Tensor(
      'int32',
      pictures.map((picture) => labels[picture]),
      [pictures.length],
    ),
  };
}

/** Layers from which on `train: 'last'` trains: the last three blocks, and what follows. */
const LAST = [
  ...['layer.13.', 'layer.14.', 'layer.15.', 'conv_1x1.'].map((layer) => `mobilenet_v2.${layer}`),
  ...['classifier.', 'segmentation_head.'],
];
const HEAD = ['classifier.', 'segmentation_head.'];

class NetworkLearner implements Learner {
  readonly session: TrainingSession;
  readonly #dataset: TrainingDataset;
  readonly #seed: number;

  constructor(session: TrainingSession, dataset: TrainingDataset, seed: number) {
    this.session = session;
    this.#dataset = dataset;
    this.#seed = seed;
  }

  batch(pictures: Int32Array, epoch: number): Promise<Batch> {
    return loadBatch(this.#dataset, pictures, (picture) => Random.at(this.#seed, epoch, picture));
  }

  dispose(): void {
    this.session.dispose();
  }
}

export async function makeLearner(
  model: TrainableModel,
  dataset: TrainingDataset,
  args: TrainingArguments,
  signal: AbortSignal | undefined,
): Promise<Learner> {
  const { train, batch_norm, batch_norm_momentum, recompute, seed, per_device_eval_batch_size: batch } = args;
  const segments = dataset.targets === undefined && model.graph.nodes.every(({ op }) => op !== 'linear');
  if (train === 'head' && !segments)
    return HeadLearner.make(model as MobileNetV2ForImageClassification, dataset, { batch, signal });
  const trainable = { head: HEAD, last: LAST, all: undefined }[train];
  const session: TrainingSession = await sessionOf(model, { trainable, batch_norm, batch_norm_momentum, recompute });
  return new NetworkLearner(session, dataset, seed);
}

async function sessionOf(_model: TrainableModel, _options: SessionOptions): Promise<TrainingSession> {
  throw new MobileNetError('UNSUPPORTED', "train: only 'head' of a classifier can be trained yet");
}
