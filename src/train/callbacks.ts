/** What a trainer tells those who listen, and what they may tell it. Events and fields are transformers' (trainer_callback.py). */
import { checkFunction, checkObject } from '../base/check.js';
import { warn } from '../base/env.js';
import { expected, MobileNetError } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import type { TrainingArguments } from './arguments.js';
import type { Trainer } from './trainer.js';

/** A line of the log: `loss`, `grad_norm`, `learning_rate`, `eval_loss`, ... */
export type LogEntry = Record<string, number>;

/** How far a training is: what trainer_state.json holds, field by field. */
export interface TrainerState {
  /** With a part: 1.5 is the middle of the second. */
  epoch: number;
  /** Steps that are done. */
  global_step: number;
  max_steps: number;
  logging_steps: number;
  eval_steps: number;
  save_steps: number;
  train_batch_size: number;
  num_train_epochs: number;
  num_input_tokens_seen: number;
  total_flos: number;
  /** All lines so far, each with its `epoch` and `step`. */
  log_history: LogEntry[];
  best_metric: number | null;
  best_global_step: number | null;
  best_model_checkpoint: string | null;
  is_local_process_zero: boolean;
  is_world_process_zero: boolean;
  is_hyper_param_search: boolean;
  trial_name: string | null;
  trial_params: null;
  stateful_callbacks: Record<string, CallbackState | CallbackState[]>;
}

/** What a callback is to be made of again. */
export interface CallbackState {
  args: Record<string, number | boolean | null>;
  attributes: Record<string, number | boolean | null>;
}

/** What a callback may set; the trainer looks at it after each event. */
export interface TrainerControl {
  should_training_stop: boolean;
  should_epoch_stop: boolean;
  should_save: boolean;
  should_evaluate: boolean;
  should_log: boolean;
}

/** What goes along with an event. */
export interface CallbackDetails {
  trainer: Trainer;
  /** Of `on_log`. */
  logs?: LogEntry;
  /** Of `on_evaluate` and `on_predict`. */
  metrics?: LogEntry;
}

/** A listener of one event. It may be async; the trainer waits. */
export type CallbackEvent = (
  args: TrainingArguments,
  state: TrainerState,
  control: TrainerControl,
  details: CallbackDetails,
) => unknown;

const EVENTS = [
  ...(['on_init_end', 'on_train_begin', 'on_train_end', 'on_epoch_begin', 'on_epoch_end'] as const),
  ...(['on_step_begin', 'on_pre_optimizer_step', 'on_optimizer_step', 'on_substep_end', 'on_step_end'] as const),
  ...(['on_evaluate', 'on_predict', 'on_save', 'on_log', 'on_prediction_step'] as const),
];
/** The names of events. */
export type EventName = (typeof EVENTS)[number];

/** Listeners by the names of events; a plain object will do. */
export type TrainerCallback = { [E in EventName]?: CallbackEvent | undefined } & {
  /** What is kept of it in a checkpoint; its class's name is its name there. */
  state?(): CallbackState;
};

/** @throws MobileNetError ARG */
export function checkCallback(callback: unknown): void {
  checkObject(callback, 'callbacks', 'objects with events such as on_step_end');
  if (Object.getPrototypeOf(callback) === Object.prototype) checkOptions(callback, [...EVENTS, 'state'], 'callbacks');
  for (const event of EVENTS) {
    const listener = (callback as TrainerCallback)[event];
    if (listener !== undefined) checkFunction(listener, `callbacks: ${event}`);
  }
}

/** The trainer's own: when to log, to evaluate and to save, and when it is over. */
export const defaultFlow: TrainerCallback = {
  on_step_end({ logging_strategy, logging_first_step, eval_strategy, eval_delay, save_strategy }, state, control) {
    const { global_step: step, max_steps } = state;
    const evaluates = eval_strategy === 'steps' && eval_delay <= step;
    if (step === 1 && logging_first_step) control.should_log = true;
    if (logging_strategy === 'steps' && step % state.logging_steps === 0) control.should_log = true;
    if (evaluates && step % state.eval_steps === 0) control.should_evaluate = true;
    if (save_strategy === 'steps' && step % state.save_steps === 0) control.should_save = true;
    if (step < max_steps) return;
    control.should_training_stop = true;
    if (evaluates) control.should_evaluate = true;
    if (save_strategy === 'steps') control.should_save = true;
  },
  on_epoch_end({ logging_strategy, eval_strategy, eval_delay, save_strategy }, { epoch }, control) {
    if (logging_strategy === 'epoch') control.should_log = true;
    if (eval_strategy === 'epoch' && eval_delay <= epoch) control.should_evaluate = true;
    if (save_strategy === 'epoch') control.should_save = true;
  },
};

/** When training ends early. */
export interface EarlyStoppingOptions {
  /** Evaluations in a row without a better metric. Default 1. */
  early_stopping_patience?: number;
  /** By how much it has to be better. Default 0. */
  early_stopping_threshold?: number;
}

/** Ends a training when `metric_for_best_model` gets no better. */
export class EarlyStoppingCallback implements TrainerCallback {
  readonly early_stopping_patience: number;
  readonly early_stopping_threshold: number;
  /** Evaluations in a row without a better metric. */
  early_stopping_patience_counter = 0;

  constructor(options: EarlyStoppingOptions = {}) {
    checkOptions(options, ['early_stopping_patience', 'early_stopping_threshold'], 'EarlyStoppingCallback');
    const { early_stopping_patience: patience = 1, early_stopping_threshold: threshold = 0 } = options;
    if (!Number.isInteger(patience) || patience < 1)
      throw expected('early_stopping_patience', 'a whole number from 1', patience);
    if (!Number.isFinite(threshold) || threshold < 0)
      throw expected('early_stopping_threshold', 'a number from 0', threshold);
    this.early_stopping_patience = patience;
    this.early_stopping_threshold = threshold;
  }

  /** @throws MobileNetError ARG where there is no metric to look at */
  on_train_begin(args: TrainingArguments): void {
    if (args.metric_for_best_model === undefined || args.eval_strategy === 'no') {
      throw new MobileNetError('ARG', 'EarlyStoppingCallback: needs metric_for_best_model and an eval_strategy');
    }
    if (!args.load_best_model_at_end)
      warn(
        'EarlyStoppingCallback without load_best_model_at_end: the model stays as it is at the end, not at its best',
      );
  }

  /** Counts, and stops where it is enough. */
  on_evaluate(
    { metric_for_best_model, greater_is_better }: TrainingArguments,
    { best_metric }: TrainerState,
    control: TrainerControl,
    { metrics }: CallbackDetails,
  ): void {
    const value = metrics![metricName(metric_for_best_model!)];
    if (value === undefined) return; // the trainer itself says that it is missing
    const isBetter = best_metric === null || (greater_is_better ? value > best_metric : value < best_metric);
    const isEnough = best_metric === null || Math.abs(value - best_metric) > this.early_stopping_threshold;
    this.early_stopping_patience_counter = isBetter && isEnough ? 0 : this.early_stopping_patience_counter + 1;
    if (this.early_stopping_patience_counter >= this.early_stopping_patience) control.should_training_stop = true;
  }

  /** What a checkpoint keeps of it. */
  state(): CallbackState {
    const { early_stopping_patience, early_stopping_threshold, early_stopping_patience_counter } = this;
    return {
      args: { early_stopping_patience, early_stopping_threshold },
      attributes: { early_stopping_patience_counter },
    };
  }
}

/** Metrics of evaluations begin with `eval_`, which may be left out. */
export const metricName = (metric: string): string => (metric.startsWith('eval_') ? metric : `eval_${metric}`);
