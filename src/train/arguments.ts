/**
 * How a network is trained. Names and defaults are those of transformers' TrainingArguments (5.24), where a name is theirs; the
 * others are ours. Whatever is not known is refused by its name.
 */
import { warn } from '../base/env.js';
import { expected, MobileNetError, show } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import type { BatchNormMode, Decayed } from '../runtime/training/types.js';
import { followsMetric, METRIC_SCHEDULES } from './metric-schedules.js';
import { checkOptimizerOptions, OPTIMIZERS, type OptimizerName, type OptimizerOptions } from './optimizers.js';
import { checkScheduleOptions, SCHEDULES, type ScheduleOptions, type SchedulerType } from './schedules.js';

/** When something is done. */
export type IntervalStrategy = 'no' | 'steps' | 'epoch';
/** `best`: whenever the metric is the best so far. */
export type SaveStrategy = IntervalStrategy | 'best';
/** `balanced`: every class as often as each other, by drawing from all pictures with weights. */
export type SamplingStrategy = 'random' | 'sequential' | 'balanced';
/**
 * What is trained: the last layer on features that are computed once, the last three blocks and what follows, or all. The head
 * of a segmenter has layers of its own, and no cached features.
 */
export type TrainedPart = 'head' | 'last' | 'all';

/** What there is to say. Steps below 1 are parts of the whole training, as in transformers. */
export interface TrainingOptions {
  /** Where checkpoints go. Default `trainer_output`. */
  output_dir?: string;
  /** Pictures a batch. Default 8. */
  per_device_train_batch_size?: number;
  /** Default 8. */
  per_device_eval_batch_size?: number;
  /** May be a part: 1.5. Default 3. */
  num_train_epochs?: number;
  /** In place of epochs, where it is above 0. Default -1. */
  max_steps?: number;
  /** Of the optimizer, before the schedule. Default 5e-5. */
  learning_rate?: number;
  /** Default `linear`. */
  lr_scheduler_type?: SchedulerType;
  lr_scheduler_kwargs?: ScheduleOptions | null;
  /** Steps in which the rate rises. Default 0. */
  warmup_steps?: number;
  /** The same as a part of the training, transformers' older name for a `warmup_steps` below 1. */
  warmup_ratio?: number;
  /** Default `adamw_torch`. */
  optim?: OptimizerName;
  /** `'momentum=0.9'`, or an object. */
  optim_args?: string | OptimizerOptions | null;
  /** Default 0. */
  weight_decay?: number;
  adam_beta1?: number;
  adam_beta2?: number;
  adam_epsilon?: number;
  /** Batches a step. Their losses are averaged over all their pictures. Default 1. */
  gradient_accumulation_steps?: number;
  /** Gradients with a larger norm are made shorter; 0 leaves them. Default 1. */
  max_grad_norm?: number;
  /** Default 0. */
  label_smoothing_factor?: number;
  /** Default `steps`. */
  logging_strategy?: IntervalStrategy;
  /** Default 500. */
  logging_steps?: number;
  logging_first_step?: boolean;
  /** Default `no`. */
  eval_strategy?: IntervalStrategy;
  /** Default `logging_steps`. */
  eval_steps?: number | null;
  /** Epochs or steps before the first evaluation. */
  eval_delay?: number;
  eval_on_start?: boolean;
  /** `compute_metrics` is called for each batch, so that predictions need not all be kept. */
  batch_eval_metrics?: boolean;
  /** Default `steps`. */
  save_strategy?: SaveStrategy;
  /** Default 500. */
  save_steps?: number;
  /** Checkpoints to keep; the best and the last are always kept. */
  save_total_limit?: number | null;
  /** Checkpoints from which nobody can go on. */
  save_only_model?: boolean;
  /** Leaves the model at the end as it was when the metric was the best; of equal ones, where the evaluation's loss was the least. */
  load_best_model_at_end?: boolean;
  /** Default `loss`. */
  metric_for_best_model?: string | null;
  /** Unless given: for all metrics but losses. */
  greater_is_better?: boolean | null;
  /** Default 42. */
  seed?: number;
  /** Of the order of pictures; `seed` unless given. */
  data_seed?: number | null;
  /** Leaves out the last batch of an epoch where it is not full. */
  dataloader_drop_last?: boolean;
  /** Default `random`. */
  train_sampling_strategy?: SamplingStrategy;
  /** Default `all`. */
  train?: TrainedPart;
  /** Whether batch norms keep their statistics or learn them with the rest. Default `frozen`. */
  batch_norm?: BatchNormMode;
  /**
   * How much of a batch's statistics goes into the running ones. Default 0.1. (transformers has 0.997 in these networks, which
   * keeps the last batch's and nothing else: .864 in place of .992 of digits right.)
   */
  batch_norm_momentum?: number;
  /** Computes the statistics of batch norms anew at the end, from all pictures as they are evaluated. Default false. */
  reestimateStatistics?: boolean;
  /** Dropout before the classifier; what the configuration says unless given. */
  classifier_dropout_prob?: number | null;
  /** Makes wide tensors again on the way back: less memory, a little more time. Default false. */
  recompute?: boolean;
  /** How much each class counts; `balanced`: the rarer the more. */
  classWeights?: readonly number[] | 'balanced' | null;
  /** What weight decay is for: weights alone, or norms too as in transformers, or all. Default `matrices`. */
  decayed?: Decayed;
}

/** Values that are not numbers, and what they may be. */
const CHOICES = {
  lr_scheduler_type: [...Object.keys(SCHEDULES), ...Object.keys(METRIC_SCHEDULES)],
  optim: Object.keys(OPTIMIZERS),
  logging_strategy: ['no', 'steps', 'epoch'],
  eval_strategy: ['no', 'steps', 'epoch'],
  save_strategy: ['no', 'steps', 'epoch', 'best'],
  train_sampling_strategy: ['random', 'sequential', 'balanced'],
  train: ['head', 'last', 'all'],
  batch_norm: ['frozen', 'train'],
  decayed: ['matrices', 'all but biases', 'all'],
} as const satisfies Partial<Record<keyof TrainingOptions, readonly string[]>>;

const FLAGS = [
  ...(['logging_first_step', 'eval_on_start', 'batch_eval_metrics', 'save_only_model'] as const),
  ...(['load_best_model_at_end', 'dataloader_drop_last', 'reestimateStatistics', 'recompute'] as const),
];

interface Range {
  least: number;
  most: number;
  whole?: boolean;
  /** Whether `least` itself is too little. */
  above?: boolean;
}
const ANY = Number.MAX_VALUE;
const COUNT: Range = { least: 1, most: 2 ** 31, whole: true };
const STEPS: Range = { least: 0, most: 2 ** 31, above: true };
const PART: Range = { least: 0, most: 1 };
const AMOUNT: Range = { least: 0, most: ANY };
const SEED: Range = { least: 0, most: Number.MAX_SAFE_INTEGER, whole: true };

const RANGES = {
  per_device_train_batch_size: { ...COUNT, most: 65_536 },
  per_device_eval_batch_size: { ...COUNT, most: 65_536 },
  num_train_epochs: { least: 0, most: 1e6, above: true },
  max_steps: { least: -1, most: 2 ** 31, whole: true },
  learning_rate: { ...AMOUNT, above: true },
  warmup_steps: AMOUNT,
  warmup_ratio: PART,
  weight_decay: AMOUNT,
  adam_beta1: PART,
  adam_beta2: PART,
  adam_epsilon: AMOUNT,
  gradient_accumulation_steps: { ...COUNT, most: 65_536 },
  max_grad_norm: AMOUNT,
  label_smoothing_factor: PART,
  logging_steps: STEPS,
  eval_steps: STEPS,
  eval_delay: AMOUNT,
  save_steps: STEPS,
  save_total_limit: COUNT,
  seed: SEED,
  data_seed: SEED,
  batch_norm_momentum: { ...PART, above: true },
  classifier_dropout_prob: { least: 0, most: 0.99 },
} as const satisfies Partial<Record<keyof TrainingOptions, Range>>;

/** Those that may be null, which is as good as not given. */
const OPTIONAL = [
  ...['lr_scheduler_kwargs', 'optim_args', 'eval_steps', 'save_total_limit', 'metric_for_best_model'],
  ...['greater_is_better', 'data_seed', 'classifier_dropout_prob', 'classWeights'],
];

const DEFAULTS = {
  output_dir: 'trainer_output',
  per_device_train_batch_size: 8,
  per_device_eval_batch_size: 8,
  num_train_epochs: 3,
  max_steps: -1,
  learning_rate: 5e-5,
  lr_scheduler_type: 'linear',
  warmup_steps: 0,
  optim: 'adamw_torch',
  weight_decay: 0,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  gradient_accumulation_steps: 1,
  max_grad_norm: 1,
  label_smoothing_factor: 0,
  logging_strategy: 'steps',
  logging_steps: 500,
  logging_first_step: false,
  eval_strategy: 'no',
  eval_delay: 0,
  eval_on_start: false,
  batch_eval_metrics: false,
  save_strategy: 'steps',
  save_steps: 500,
  save_only_model: false,
  load_best_model_at_end: false,
  seed: 42,
  dataloader_drop_last: false,
  train_sampling_strategy: 'random',
  train: 'all',
  batch_norm: 'frozen',
  batch_norm_momentum: 0.1,
  reestimateStatistics: false,
  recompute: false,
  decayed: 'matrices',
} as const satisfies TrainingOptions;

const NAMES = [...new Set([...Object.keys(DEFAULTS), ...Object.keys(RANGES), ...OPTIONAL])];

type Defaults = typeof DEFAULTS;
/** Options with their defaults; what may be left out altogether is undefined. */
type Filled = { readonly [K in keyof Defaults]: NonNullable<TrainingOptions[K & keyof TrainingOptions]> } & {
  readonly [K in Exclude<
    keyof TrainingOptions,
    keyof Defaults | 'optim_args' | 'lr_scheduler_kwargs' | 'warmup_ratio'
  >]: NonNullable<TrainingOptions[K]> | undefined;
};

/** What a training is told, checked. */
export interface TrainingArguments extends Filled {}

/** What a training is told, checked. */
export class TrainingArguments {
  readonly lr_scheduler_kwargs: ScheduleOptions;
  readonly optim_args: OptimizerOptions;

  /** @throws MobileNetError ARG for a name that is not known, and for values that cannot be, alone or together */
  constructor(options: TrainingOptions = {}) {
    checkOptions(options, NAMES, 'TrainingArguments');
    const given = Object.fromEntries(
      Object.entries(options).filter(
        ([name, value]) => value !== undefined && !(value === null && OPTIONAL.includes(name)),
      ),
    ) as TrainingOptions;
    checkValues(given);
    const { warmup_ratio, lr_scheduler_kwargs, optim_args, ...others } = given;
    Object.assign(this, DEFAULTS, others, warmupOf(given), bestOf(given));
    if (this.eval_strategy === 'steps') Object.assign(this, { eval_steps: this.eval_steps ?? this.logging_steps });
    this.lr_scheduler_kwargs = checkScheduleOptions(this.lr_scheduler_type, lr_scheduler_kwargs ?? {});
    this.optim_args = checkOptimizerOptions(this.optim, optim_args ?? {});
    checkTogether(this);
  }

  /** Steps of the warm-up. */
  get_warmup_steps(num_training_steps: number): number {
    const { warmup_steps } = this;
    return warmup_steps >= 1 ? Math.floor(warmup_steps) : Math.ceil(num_training_steps * warmup_steps);
  }

  /** All values, for JSON. */
  to_dict(): TrainingOptions {
    return { ...this } as TrainingOptions;
  }
}

function warmupOf({ warmup_ratio, warmup_steps }: TrainingOptions): TrainingOptions {
  if (warmup_ratio === undefined || warmup_ratio === 0) return {};
  if (warmup_steps) throw new MobileNetError('ARG', 'warmup_ratio: expected it or warmup_steps, got both');
  // A ratio of 1 would read as one step.
  return { warmup_steps: Math.min(warmup_ratio, 1 - Number.EPSILON) };
}

function bestOf({
  lr_scheduler_type,
  load_best_model_at_end,
  metric_for_best_model,
  greater_is_better,
}: TrainingOptions): TrainingOptions {
  const needs = load_best_model_at_end || followsMetric(lr_scheduler_type ?? DEFAULTS.lr_scheduler_type);
  const metric = metric_for_best_model ?? (needs ? 'loss' : undefined);
  if (metric === undefined) return {};
  return { metric_for_best_model: metric, greater_is_better: greater_is_better ?? !metric.endsWith('loss') };
}

function checkValues(given: TrainingOptions): void {
  for (const [name, value] of Object.entries(given)) {
    const choices: readonly string[] | undefined = CHOICES[name as keyof typeof CHOICES];
    const range: Range | undefined = RANGES[name as keyof typeof RANGES];
    if (choices !== undefined && !choices.includes(value)) throw expected(name, choices.join(', '), value);
    if (range !== undefined) checkNumber(name, value, range);
    if ((FLAGS as string[]).includes(name) && typeof value !== 'boolean') throw expected(name, 'true or false', value);
  }
  const { output_dir, metric_for_best_model, greater_is_better, classWeights, max_steps } = given;
  if (output_dir !== undefined && (typeof output_dir !== 'string' || output_dir === ''))
    throw expected('output_dir', 'the path of a folder', output_dir);
  if (metric_for_best_model !== undefined && typeof metric_for_best_model !== 'string')
    throw expected('metric_for_best_model', 'the name of a metric', metric_for_best_model);
  if (greater_is_better !== undefined && typeof greater_is_better !== 'boolean')
    throw expected('greater_is_better', 'true or false', greater_is_better);
  if (max_steps === 0) throw expected('max_steps', 'a number of steps, or -1 for num_train_epochs', max_steps);
  if (classWeights !== undefined && classWeights !== 'balanced') checkClassWeights(classWeights);
}

function checkNumber(name: string, value: unknown, { least, most, whole = false, above = false }: Range): void {
  const fits = typeof value === 'number' && value >= least && value <= most && !(above && value === least);
  if (fits && (!whole || Number.isInteger(value))) return;
  const kind = whole ? 'a whole number' : 'a number';
  const end = most >= 2 ** 31 ? '' : ` to ${most}`;
  throw expected(
    name,
    above ? `${kind} above ${least}${end && ` and up${end}`}` : `${kind} from ${least}${end}`,
    value,
  );
}

function checkClassWeights(weights: unknown): void {
  const fits = Array.isArray(weights) && weights.length > 0 && weights.every((x) => Number.isFinite(x) && x >= 0);
  if (!fits || !weights.some((x) => x > 0)) throw expected('classWeights', "numbers from 0, or 'balanced'", weights);
}

function checkTogether(args: TrainingArguments): void {
  const { save_strategy, eval_strategy, logging_strategy, metric_for_best_model } = args;
  for (const [name, strategy, steps] of [
    ['logging_steps', logging_strategy, args.logging_steps],
    ['eval_steps', eval_strategy, args.eval_steps],
    ['save_steps', save_strategy, args.save_steps],
  ] as const) {
    if (strategy !== 'steps' || steps! < 1 || Number.isInteger(steps)) continue;
    throw expected(name, 'a whole number of steps, or a part below 1 of all of them', steps);
  }
  if (save_strategy === 'best' && (eval_strategy === 'no' || metric_for_best_model === undefined)) {
    throw new MobileNetError('ARG', "save_strategy: 'best' needs eval_strategy and metric_for_best_model");
  }
  if (args.batch_norm === 'train' && args.per_device_train_batch_size === 1 && args.train !== 'head') {
    throw new MobileNetError(
      'ARG',
      "per_device_train_batch_size: a batch of one has no statistics for batch_norm: 'train'; take 8 or more, or batch_norm: 'frozen'",
    );
  }
  if (args.reestimateStatistics && (args.batch_norm !== 'train' || args.train === 'head')) {
    throw new MobileNetError(
      'ARG',
      "reestimateStatistics: needs batch_norm: 'train'; frozen norms keep their statistics",
    );
  }
  if (args.load_best_model_at_end && save_strategy !== 'best') checkBest(args);
  if (followsMetric(args.lr_scheduler_type)) checkFollowing(args);
  if (args.batch_norm === 'frozen' && args.train !== 'head' && args.learning_rate > 1e-4 && isAdam(args)) {
    warn(
      `learning_rate: with frozen batch norms Adam diverges at rates above 1e-4, got ${args.learning_rate}; lower it, or train them: batch_norm: 'train'`,
    );
  }
}

function checkFollowing({ lr_scheduler_type: type, lr_scheduler_kwargs, ...args }: TrainingArguments): void {
  if (args.eval_strategy === 'no') {
    throw new MobileNetError('ARG', `lr_scheduler_type: '${type}' follows a metric and needs an eval_strategy`);
  }
  if (args.warmup_steps > 0) warn(`warmup_steps: ${type} has no warm-up, and begins with learning_rate`);
  const { min_lr } = { ...METRIC_SCHEDULES[type as 'greedy'], ...lr_scheduler_kwargs };
  if (args.learning_rate >= min_lr) return;
  warn(
    `learning_rate: ${args.learning_rate} is below the least rate of ${type}, ${min_lr}, and could never fall; pass a lower min_lr in lr_scheduler_kwargs`,
  );
}

const isAdam = ({ optim }: TrainingArguments) => optim.startsWith('adam');

/** What is evaluated has to be there to be loaded. */
function checkBest({ save_strategy, eval_strategy, save_steps, eval_steps }: TrainingArguments): void {
  if (save_strategy !== eval_strategy || save_strategy === 'no') {
    throw new MobileNetError(
      'ARG',
      `load_best_model_at_end: expected save_strategy and eval_strategy to be the same, or save_strategy: 'best', got ${show(save_strategy)} and ${show(eval_strategy)}`,
    );
  }
  if (save_strategy !== 'steps') return;
  const times = save_steps / eval_steps!;
  if (save_steps < 1 === eval_steps! < 1 && Math.abs(times - Math.round(times)) < 1e-6 && times > 0.5) return;
  throw new MobileNetError(
    'ARG',
    `load_best_model_at_end: expected save_steps to be a multiple of eval_steps, got ${save_steps} and ${eval_steps}`,
  );
}
