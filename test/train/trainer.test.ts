/** The trainer's loop: what it computes, in which order, and what it says of it. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Trainer, type TrainingOptions } from '../../src/entries/train.js';
import { stripedPictures, tinyClassifier } from '../helpers/training.js';

const folder = mkdtempSync(join(tmpdir(), 'train-'));
afterAll(() => rmSync(folder, { recursive: true }));

let runs = 0;
const head = (options: TrainingOptions = {}) => ({
  train: 'head' as const,
  output_dir: join(folder, `run-${runs++}`),
  learning_rate: 0.05,
  logging_steps: 1,
  ...options,
});
const weightsOf = (trainer: Trainer) => trainer.model.state_dict().get('classifier.weight')!.data;

describe('the head', () => {
  it('learns', async () => {
    const [train_dataset, eval_dataset] = [stripedPictures(30), stripedPictures(15, { seed: 2 })];
    const trainer = new Trainer({
      model: tinyClassifier(),
      args: head({ num_train_epochs: 20, eval_strategy: 'epoch', save_strategy: 'no' }),
      train_dataset,
      eval_dataset,
      compute_metrics({ predictions, label_ids }) {
        const right = [...label_ids.data].filter((label, n) => {
          const row = predictions.data.subarray(n * 3, n * 3 + 3);
          return row.indexOf(Math.max(...row)) === label;
        });
        return { accuracy: right.length / label_ids.size };
      },
    });
    const before = await trainer.evaluate();
    const { global_step, training_loss } = await trainer.train();
    const after = await trainer.evaluate();
    expect(global_step).toBe(80);
    expect(before.eval_accuracy).toBeLessThan(0.5);
    expect(after.eval_accuracy).toBeGreaterThan(0.8);
    expect(after.eval_loss).toBeLessThan(before.eval_loss * 0.7);
    expect(training_loss).toBeLessThan(before.eval_loss);
  });

  it('goes on from a checkpoint as if it had not stopped', async () => {
    const options = {
      num_train_epochs: 3,
      save_steps: 1,
      gradient_accumulation_steps: 2,
      per_device_train_batch_size: 4,
    };
    const make = (args: TrainingOptions) =>
      new Trainer({ model: tinyClassifier(), args, train_dataset: stripedPictures(30), callbacks: [] });
    const whole = make(head(options));
    await whole.train();
    const { output_dir } = whole.args;
    expect(readdirSync(output_dir)).toHaveLength(12);
    for (const step of [1, 4, 7, 12]) {
      const again = make({ ...head(options), output_dir: join(folder, `again-${step}`) });
      await again.train({ resume_from_checkpoint: join(output_dir, `checkpoint-${step}`) });
      expect(weightsOf(again)).toEqual(weightsOf(whole));
      const lines = (trainer: Trainer) => trainer.state.log_history.filter(({ loss }) => loss !== undefined);
      expect(lines(again)).toEqual(lines(whole));
    }
  });
});
