/**
 * A training that is to be killed: it goes on from the last checkpoint where there is one, and at the end writes the model.
 *
 *     node test/train/killed.mjs FOLDER head|all [threads]
 */
import { MobileNetV2Config, MobileNetV2ForImageClassification } from '../../dist/entries/main-node.js';
import { EarlyStoppingCallback, get_last_checkpoint, Random, Trainer } from '../../dist/entries/train.js';

const [folder, train, threads = '1'] = process.argv.slice(2);
const id2label = { 0: 'dark', 1: 'bright', 2: 'noise' };

/** Noise around a level that says the class. */
const pictures = (length, seed) => ({
  length,
  dims: [3, 32, 32],
  id2label,
  targets: Int32Array.from({ length }, (_, i) => i % 3),
  async item(index, random) {
    const noise = Random.at(seed, index);
    const level = [-0.5, 0.5, 0][index % 3] + (random?.uniform(-0.1, 0.1) ?? 0);
    const pixel_values = new Float32Array(3 * 32 * 32);
    for (let i = 0; i < pixel_values.length; i++) pixel_values[i] = level + noise.uniform(-0.5, 0.5);
    return { pixel_values, label: index % 3 };
  },
});

const config = new MobileNetV2Config({
  ...{ depth_multiplier: 0.1, image_size: 32, finegrained_output: false, classifier_dropout_prob: 0.2, id2label },
  initializer_range: 0.1,
});
const trainer = new Trainer({
  model: new MobileNetV2ForImageClassification(config, { seed: 1, threads: Number(threads) }),
  args: {
    ...{ train, batch_norm: train === 'head' ? 'frozen' : 'train', output_dir: folder, save_total_limit: 2 },
    ...{ num_train_epochs: train === 'head' ? 12 : 3, per_device_train_batch_size: 5, gradient_accumulation_steps: 2 },
    ...{
      learning_rate: 1e-3,
      lr_scheduler_type: 'cosine',
      warmup_steps: 3,
      weight_decay: 0.01,
      label_smoothing_factor: 0.1,
    },
    ...{ save_strategy: 'steps', save_steps: 2, eval_strategy: 'steps', eval_steps: 2, logging_steps: 3 },
    ...{ load_best_model_at_end: true, metric_for_best_model: 'loss' },
  },
  train_dataset: pictures(45, 1),
  eval_dataset: pictures(12, 2),
  callbacks: [
    new EarlyStoppingCallback({ early_stopping_patience: 50 }),
    {
      on_train_begin: () => console.log('began'),
      on_save: (_, { global_step }) => console.log(`saved ${global_step}`),
    },
  ],
});
await trainer.train({ resume_from_checkpoint: (await get_last_checkpoint(folder)) !== undefined });
await trainer.save_model(`${folder}/final`);
trainer.model.dispose();
