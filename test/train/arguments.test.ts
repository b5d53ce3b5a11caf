/** TrainingArguments: defaults as transformers has them, and everything that cannot be refused by its name. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { env } from '../../src/entries/main-node.js';
import { TrainingArguments, type TrainingOptions } from '../../src/entries/train.js';

const warnings: string[] = [];
beforeEach(() => {
  env.onWarning = (message) => warnings.push(message);
});
afterEach(() => {
  env.onWarning = null;
  warnings.length = 0;
});

describe('TrainingArguments', () => {
  it('has transformers’ defaults', () => {
    expect(new TrainingArguments()).toMatchObject({
      output_dir: 'trainer_output',
      per_device_train_batch_size: 8,
      num_train_epochs: 3,
      max_steps: -1,
      learning_rate: 5e-5,
      lr_scheduler_type: 'linear',
      warmup_steps: 0,
      weight_decay: 0,
      adam_beta1: 0.9,
      adam_beta2: 0.999,
      adam_epsilon: 1e-8,
      gradient_accumulation_steps: 1,
      max_grad_norm: 1,
      label_smoothing_factor: 0,
      logging_strategy: 'steps',
      logging_steps: 500,
      eval_strategy: 'no',
      save_strategy: 'steps',
      save_steps: 500,
      load_best_model_at_end: false,
      seed: 42,
      batch_norm: 'frozen',
      batch_norm_momentum: 0.1,
      train: 'all',
    });
  });

  it('fills in what follows from the rest', () => {
    const best = { load_best_model_at_end: true, eval_strategy: 'epoch', save_strategy: 'epoch' } as const;
    expect(new TrainingArguments(best)).toMatchObject({ metric_for_best_model: 'loss', greater_is_better: false });
    const accuracy = new TrainingArguments({ ...best, metric_for_best_model: 'accuracy' });
    expect(accuracy.greater_is_better).toBe(true);
    expect(new TrainingArguments({ eval_strategy: 'steps', logging_steps: 7 }).eval_steps).toBe(7);
  });

  it.each(['reduce_lr_on_plateau', 'greedy'] as const)('%s looks at the loss, and needs evaluations', (type) => {
    expect(() => new TrainingArguments({ lr_scheduler_type: type })).toThrow(
      /follows a metric and needs an eval_strat/,
    );
    const args = { lr_scheduler_type: type, eval_strategy: 'epoch', learning_rate: 1e-4, warmup_steps: 3 } as const;
    expect(new TrainingArguments(args)).toMatchObject({ metric_for_best_model: 'loss', greater_is_better: false });
    expect(warnings[0]).toContain(`${type} has no warm-up`);
    const below = 'learning_rate: 0.0001 is below the least rate of greedy, 0.001, and could never fall';
    expect(warnings.slice(1)).toEqual(type === 'greedy' ? [expect.stringContaining(below)] : []);
  });

  it.each([
    [{}, 0],
    [{ warmup_steps: 5 }, 5],
    [{ warmup_steps: 0.1 }, 11],
    [{ warmup_ratio: 0.1 }, 11],
    [{ warmup_ratio: 1 }, 101],
  ] as const)('warm-up of 101 steps with %j: %i', (options, steps) => {
    expect(new TrainingArguments(options).get_warmup_steps(101)).toBe(steps);
  });

  it('takes null for what may be left out', () => {
    const args = new TrainingArguments({ save_total_limit: null, data_seed: null, optim_args: null, eval_steps: null });
    expect(args.save_total_limit).toBeUndefined();
  });

  it('leaves out options of a schedule that are undefined', () => {
    const lr_scheduler_kwargs = { factor: undefined, patience: 2 } as object;
    const args = { lr_scheduler_type: 'reduce_lr_on_plateau', eval_strategy: 'epoch', lr_scheduler_kwargs } as const;
    expect(new TrainingArguments(args).lr_scheduler_kwargs).toStrictEqual({ patience: 2 });
  });

  it('goes through JSON', () => {
    const args = new TrainingArguments({ optim: 'sgd', optim_args: 'momentum=0.9', classWeights: [1, 2] });
    expect(new TrainingArguments(JSON.parse(JSON.stringify(args.to_dict())))).toEqual(args);
  });
});

describe('refuses', () => {
  it.each<[object, RegExp]>([
    [{ num_epochs: 3 }, /unknown option "num_epochs"/],
    [{ learning_rte: 1 }, /did you mean learning_rate/],
    [{ fp16: true }, /unknown option "fp16"/],
    [{ learning_rate: 0 }, /learning_rate: expected a number above 0, got 0/],
    [{ learning_rate: '1e-3' }, /learning_rate: .* got "1e-3"/],
    [{ num_train_epochs: Number.NaN }, /num_train_epochs: .*NaN/],
    [{ max_steps: 0 }, /max_steps: expected a number of steps, or -1/],
    [{ max_steps: 1.5 }, /max_steps: expected a whole number/],
    [{ per_device_train_batch_size: 0 }, /per_device_train_batch_size: expected a whole number from 1/],
    [{ label_smoothing_factor: 1.1 }, /label_smoothing_factor: expected a number from 0 to 1/],
    [{ lr_scheduler_type: 'lineal' }, /lr_scheduler_type: expected linear, cosine/],
    [{ lr_scheduler_kwargs: { power: 2 } }, /lr_scheduler_kwargs of linear: unknown option "power"/],
    [{ optim: 'lamb' }, /optim: expected adamw_torch, adamw_torch_fused, adam, sgd, rmsprop/],
    [{ optim: 'sgd', optim_args: { alpha: 1 } }, /optim_args of sgd: unknown option "alpha"/],
    [{ optim: 'sgd', optim_args: { nesterov: true } }, /nesterov needs a momentum/],
    [{ optim: 'sgd', optim_args: 'momentum' }, /optim_args: expected as in 'momentum=0.9'/],
    [{ optim: 'sgd', optim_args: 'momentum=much' }, /optim_args.momentum: expected a number from 0/],
    [{ eval_strategy: true }, /eval_strategy: expected no, steps, epoch/],
    [{ logging_steps: 1.5 }, /logging_steps: expected a whole number of steps, or a part below 1/],
    [{ load_best_model_at_end: true }, /expected save_strategy and eval_strategy to be the same/],
    [
      { load_best_model_at_end: true, eval_strategy: 'steps', eval_steps: 4, save_steps: 6 },
      /save_steps to be a multiple of eval_steps, got 6 and 4/,
    ],
    [{ save_strategy: 'best' }, /'best' needs eval_strategy/],
    [{ classWeights: [] }, /classWeights: expected numbers from 0, or 'balanced'/],
    [{ classWeights: [1, -1] }, /classWeights/],
    [{ batch_norm: 'eval' }, /batch_norm: expected frozen, train/],
    [{ batch_norm: 'train', per_device_train_batch_size: 1 }, /a batch of one has no statistics/],
    [{ reestimateStatistics: true }, /needs batch_norm: 'train'/],
    [{ warmup_ratio: 0.1, warmup_steps: 2 }, /expected it or warmup_steps, got both/],
    [{ recompute: 1 }, /recompute: expected true or false, got 1/],
    [{ output_dir: '' }, /output_dir/],
    [{ seed: -1 }, /seed: expected a whole number from 0/],
  ])('%j', (options, message) => {
    expect(() => new TrainingArguments(options as TrainingOptions)).toThrow(message);
  });
});

describe('warns', () => {
  it('of rates that diverge with frozen norms', () => {
    new TrainingArguments({ learning_rate: 1e-3 });
    expect(warnings).toEqual([expect.stringMatching(/diverges at rates above 1e-4, got 0.001/)]);
  });

  it.each<TrainingOptions>([
    { learning_rate: 1e-4 },
    { learning_rate: 1e-3, batch_norm: 'train' },
    { learning_rate: 1e-3, train: 'head' },
  ])('but not of %j', (options) => {
    new TrainingArguments(options);
    expect(warnings).toEqual([]);
  });
});
