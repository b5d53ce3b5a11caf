/** The order of pictures: every one once an epoch, another order each, and the same for the same seed. */
import { describe, expect, it } from 'vitest';
import { TrainingArguments, type TrainingOptions } from '../../src/entries/train.js';
import { balancedWeights, Sampler } from '../../src/train/sampler.js';
import { stripedPictures } from '../helpers/training.js';

const sampler = (options: TrainingOptions, pictures = 20, targets?: Int32Array) =>
  new Sampler(new TrainingArguments(options), { ...stripedPictures(pictures), ...(targets && { targets }) });
const flat = (steps: ReturnType<Sampler['epoch']>) => steps.flatMap((step) => step.flatMap((batch) => [...batch]));

describe('an epoch', () => {
  it('has every picture once, in steps of batches', () => {
    const made = sampler({ per_device_train_batch_size: 3, gradient_accumulation_steps: 2 });
    const steps = made.epoch(0);
    expect(steps.map((step) => step.map((batch) => batch.length))).toEqual([[3, 3], [3, 3], [3, 3], [2]]);
    expect([made.batchesPerEpoch, made.stepsPerEpoch]).toEqual([7, 4]);
    expect(flat(steps).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it('has an order of its own, which the seed and its number say', () => {
    const orders = [sampler({}).epoch(0), sampler({}).epoch(1), sampler({ data_seed: 1 }).epoch(0)].map(flat);
    expect(new Set(orders.map(String)).size).toBe(3);
    expect(flat(sampler({}).epoch(1))).toEqual(orders[1]);
    expect(flat(sampler({ seed: 1 }).epoch(0))).toEqual(orders[2]);
    expect(flat(sampler({ train_sampling_strategy: 'sequential' }).epoch(3))).toEqual([...Array(20).keys()]);
  });

  it('leaves out a batch that is not full where it is told so', () => {
    const made = sampler({ dataloader_drop_last: true });
    expect(made.epoch(0).map(([batch]) => batch.length)).toEqual([8, 8]);
    expect(() => sampler({ dataloader_drop_last: true }, 7)).toThrow(/7 pictures make no batch of 8/);
  });

  it('has each class as often as the others where it is balanced', () => {
    const targets = Int32Array.from({ length: 3000 }, (_, i) => (i < 60 ? 0 : i < 600 ? 1 : 2));
    const drawn = flat(sampler({ train_sampling_strategy: 'balanced' }, 3000, targets).epoch(0));
    for (const kind of [0, 1, 2]) {
      const share = drawn.filter((picture) => targets[picture] === kind).length / drawn.length;
      expect(share).toBeCloseTo(1 / 3, 1);
    }
  });
});

it('a batch of one is refused where norms look at batches', () => {
  const options = { batch_norm: 'train', learning_rate: 1e-3 } as const;
  expect(() => sampler(options, 17)).toThrow(/17 pictures in batches of 8 leave one for the last/);
  expect(() => sampler({ ...options, dataloader_drop_last: true }, 17)).not.toThrow();
  expect(() => sampler(options, 18)).not.toThrow();
});

it('weights of classes are scikit-learn’s compute_class_weight, of those that are there', () => {
  expect(balancedWeights(Int32Array.of(0, 0, 0, 1), 2)).toEqual([4 / 6, 2]);
  expect(balancedWeights(Int32Array.of(0, 0, 2, 2), 3)).toEqual([1, 0, 1]);
});
