/** In which order pictures come, and in which batches. It depends on the seed and the epoch alone. */
import { expected, MobileNetError } from '../base/errors.js';
import type { TrainingArguments } from './arguments.js';
import type { TrainingDataset } from './dataset.js';
import { Random } from './random.js';

/** So that no other random numbers of the same seed are these. */
const ORDER = 0x6f72;

/** A step of the optimizer: batches, each a list of pictures. */
export type Step = readonly Int32Array[];

/** How a training goes through its pictures. */
export class Sampler {
  readonly #args: TrainingArguments;
  readonly #dataset: TrainingDataset;
  readonly #seed: number;
  /** Of the dataset. */
  readonly pictures: number;
  readonly batchesPerEpoch: number;
  readonly stepsPerEpoch: number;

  /** @throws MobileNetError ARG where there is nothing to train on, or a batch norm would see one picture */
  constructor(args: TrainingArguments, dataset: TrainingDataset) {
    this.#args = args;
    this.#dataset = dataset;
    this.#seed = args.data_seed ?? args.seed;
    const { length } = dataset;
    this.pictures = length;
    const { per_device_train_batch_size: batch, dataloader_drop_last: drops } = args;
    this.batchesPerEpoch = drops ? Math.floor(length / batch) : Math.ceil(length / batch);
    this.stepsPerEpoch = Math.ceil(this.batchesPerEpoch / args.gradient_accumulation_steps);
    if (length === 0) throw new MobileNetError('ARG', 'train_dataset: expected pictures, got none');
    if (this.batchesPerEpoch === 0) {
      throw new MobileNetError(
        'ARG',
        `dataloader_drop_last: ${length} pictures make no batch of ${batch}; lower per_device_train_batch_size`,
      );
    }
    const one = args.batch_norm === 'train' && args.train !== 'head' && !drops && length % batch === 1;
    if (one) {
      throw new MobileNetError(
        'ARG',
        `train_dataset: ${length} pictures in batches of ${batch} leave one for the last, and batch_norm: 'train' has no statistics of one; set dataloader_drop_last, or another batch size`,
      );
    }
    if (args.train_sampling_strategy === 'balanced') targetsOf(dataset, 'train_sampling_strategy');
  }

  /** The steps of an epoch, which counts from 0. */
  epoch(epoch: number): Step[] {
    const order = this.#order(Random.at(this.#seed, ORDER, epoch));
    const { per_device_train_batch_size: size, gradient_accumulation_steps: together } = this.#args;
    const batches = Array.from({ length: this.batchesPerEpoch }, (_, i) => order.subarray(i * size, (i + 1) * size));
    return Array.from({ length: this.stepsPerEpoch }, (_, i) => batches.slice(i * together, (i + 1) * together));
  }

  #order(random: Random): Int32Array {
    const { length } = this.#dataset;
    const { train_sampling_strategy: strategy } = this.#args;
    if (strategy === 'sequential') return new Int32Array(length).map((_, i) => i);
    if (strategy === 'random') return random.permutation(length);
    return balanced(targetsOf(this.#dataset, 'train_sampling_strategy'), random);
  }
}

/** Draws a class, then one of its pictures, as often as there are pictures. */
function balanced(targets: Int32Array, random: Random): Int32Array {
  const byClass = new Map<number, number[]>();
  for (const [i, target] of targets.entries()) {
    const pictures = byClass.get(target);
    if (pictures === undefined) byClass.set(target, [i]);
    else pictures.push(i);
  }
  const classes = [...byClass.keys()].sort((a, b) => a - b).map((target) => byClass.get(target)!);
  return targets.map(() => {
    const pictures = classes[random.integer(classes.length)];
    return pictures[random.integer(pictures.length)];
  });
}

/** @throws MobileNetError ARG where pixels have classes, and not pictures */
export function targetsOf({ targets }: TrainingDataset, option: string): Int32Array {
  if (targets === undefined)
    throw expected(option, "something else than 'balanced' for pictures without a class each", 'balanced');
  return targets;
}

/**
 * `classWeights: 'balanced'`: pictures over classes times pictures of the class, as scikit-learn has it. A class without
 * pictures counts nothing.
 */
export function balancedWeights(targets: Int32Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const target of targets) counts[target] += 1;
  const present = counts.filter((count) => count > 0).length;
  return counts.map((count) => (count === 0 ? 0 : targets.length / (present * count)));
}
