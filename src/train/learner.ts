/** What a training works on: a session, and where its batches come from. */
import { INPUT } from '../graph/nodes.js';
import { startTraining } from '../models/mobilenet-v2/gradients.js';
import type { MobileNetV2ForImageClassification } from '../models/mobilenet-v2/image-classification.js';
import type { TrainingSession } from '../runtime/training/types.js';
import { Tensor } from '../tensor/tensor.js';
import type { TrainedPart, TrainingArguments } from './arguments.js';
import { type Batch, inOrder, loadBatch } from './batches.js';
import type { TrainingDataset } from './dataset.js';
import { classifierOf, type Features, featuresOf } from './features.js';
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
  readonly session: TrainingSession;
  readonly #features = new Map<TrainingDataset, Features>();
  readonly #model: MobileNetV2ForImageClassification;
  readonly #training: Features;

  /** @param together features that are one matrix: those of a batch */
  constructor(
    model: MobileNetV2ForImageClassification,
    dataset: TrainingDataset,
    training: Features,
    together: number,
  ) {
    this.#model = model;
    this.#training = training;
    this.#features.set(dataset, training);
    this.session = startTraining(headOf(model), { picturesAtOnce: together });
  }

  async batch(pictures: Int32Array): Promise<Batch> {
    return batchOf(this.#training, pictures);
  }

  async *predict(dataset: TrainingDataset, size: number, signal: AbortSignal | undefined): Predictions {
    const features = this.#features.get(dataset) ?? (await featuresOf(this.#model, dataset, { batch: size, signal }));
    this.#features.set(dataset, features);
    for (const pictures of inOrder(dataset.length, size)) {
      signal?.throwIfAborted();
      const { pixel_values, labels } = batchOf(features, pictures);
      const dims = pixel_values.dims as readonly [number, number, number, number];
      yield { logits: await this.session.forward(pixel_values.data, dims, signal), labels };
    }
  }

  dispose(): void {
    this.session.dispose();
    this.#features.clear();
  }
}

/** The classifier as a network of its own, whose pictures are features. */
function headOf(model: MobileNetV2ForImageClassification): Parameters<typeof startTraining>[0] {
  const { config, device, engineOptions, graph } = model;
  const classifier = { ...classifierOf(graph), input: INPUT };
  const { weight, bias, inChannels } = classifier;
  const state = model.state_dict();
  return {
    ...{ config, device, engineOptions },
    graph: { inChannels, nodes: [classifier], outputs: new Map([['logits', classifier.name]]) },
    state_dict: () => new Map([weight, bias].map((name) => [name, state.get(name)!])),
  };
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

/** What follows the backbone's blocks, and what `train: 'last'` trains besides: the last three blocks. */
const HEADS = { classifier: ['classifier.'], segmenter: ['segmentation_head.'] };
const BLOCKS = ['mobilenet_v2.layer.13.', 'mobilenet_v2.layer.14.', 'mobilenet_v2.layer.15.'];
const LAST = { classifier: [...BLOCKS, 'mobilenet_v2.conv_1x1.'], segmenter: BLOCKS };

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

const kindOf = ({ graph }: TrainableModel) =>
  graph.nodes.some(({ op }) => op === 'linear') ? 'classifier' : 'segmenter';

/** Prefixes of what is trained; undefined for all. */
export function trainedPart(model: TrainableModel, part: TrainedPart): readonly string[] | undefined {
  const kind = kindOf(model);
  return { head: HEADS[kind], last: [...LAST[kind], ...HEADS[kind]], all: undefined }[part];
}

export async function makeLearner(
  model: TrainableModel,
  dataset: TrainingDataset,
  args: TrainingArguments,
  signal: AbortSignal | undefined,
): Promise<Learner> {
  const { train, batch_norm, batch_norm_momentum, recompute, seed, per_device_eval_batch_size: batch } = args;
  if (train === 'head' && kindOf(model) === 'classifier') {
    const classifier = model as MobileNetV2ForImageClassification;
    const features = await featuresOf(classifier, dataset, { batch, signal });
    return new HeadLearner(classifier, dataset, features, args.per_device_train_batch_size);
  }
  const options = { trainable: trainedPart(model, train), batch_norm, batch_norm_momentum, recompute };
  return new NetworkLearner(startTraining(model, options), dataset, seed);
}
