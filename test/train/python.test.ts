/** What the trainer writes, Python's transformers reads, evaluates alike and trains on (test/goldens/train/check_trained.py). */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { EarlyStoppingCallback, Trainer } from '../../src/entries/train.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { loadBatch } from '../../src/train/batches.js';
import { pythonWith } from '../helpers/python.js';
import { stripedPictures, tinyClassifier } from '../helpers/training.js';

const python = pythonWith(['torch', 'transformers', 'safetensors'], 'what the trainer wrote, in Python:');
const folder = mkdtempSync(join(tmpdir(), 'trained-'));
afterAll(() => rmSync(folder, { recursive: true }));

it.runIf(python !== undefined)('transformers goes on from what was trained here', async () => {
  const train_dataset = stripedPictures(24);
  const trainer = new Trainer({
    model: tinyClassifier(),
    args: {
      ...{ output_dir: join(folder, 'out'), num_train_epochs: 2, batch_norm: 'train', learning_rate: 3e-3 },
      ...{ eval_strategy: 'epoch', save_strategy: 'epoch', load_best_model_at_end: true, logging_steps: 2 },
    },
    train_dataset,
    eval_dataset: stripedPictures(9, { seed: 2 }),
    callbacks: [new EarlyStoppingCallback({ early_stopping_patience: 9 })],
  });
  await trainer.train();
  const checkpoint = trainer.state.best_model_checkpoint as string; // what the model is now
  const { predictions, metrics } = await trainer.predict(train_dataset);
  const { pixel_values, labels } = await loadBatch(
    train_dataset,
    Int32Array.from({ length: 24 }, (_, i) => i),
    () => null,
  );
  const pictures = join(folder, 'pictures.safetensors');
  writeFileSync(
    pictures,
    writeSafetensors(
      new Map([
        ['pixel_values', pixel_values],
        ['labels', labels],
        ['logits', predictions],
      ] as never),
    ),
  );
  const script = fileURLToPath(new URL('../goldens/train/check_trained.py', import.meta.url));
  const said = execFileSync(python as string, [script, checkpoint, pictures], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const found = JSON.parse(said.trim().split('\n').at(-1) as string);
  expect(found).toMatchObject({ missing: [], finite: true });
  expect(found.losses.at(-1)).toBeLessThan(found.losses[0]);
  expect(found.difference).toBeLessThan(1e-4);
  expect(found.loss).toBeCloseTo(metrics.test_loss, 4);
  const step = Number(checkpoint.split('-').at(-1));
  expect(found).toMatchObject({ global_step: step, epoch: step / 3 });
  expect(found.callbacks).toEqual(['EarlyStoppingCallback', 'TrainerControl']);
  expect(found.logged).toBeGreaterThan(1);
});
