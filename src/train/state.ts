/** How far a training is, as transformers keeps it in trainer_state.json, and what callbacks keep there. */
import type { TrainingArguments } from './arguments.js';
import type { CallbackState, LogEntry, TrainerCallback, TrainerControl, TrainerState } from './callbacks.js';

export const newControl = (): TrainerControl => ({
  should_training_stop: false,
  should_epoch_stop: false,
  should_save: false,
  should_evaluate: false,
  should_log: false,
});

export const newState = (args: TrainingArguments): TrainerState => ({
  epoch: 0,
  global_step: 0,
  max_steps: 0,
  logging_steps: args.logging_steps,
  eval_steps: args.eval_steps ?? args.logging_steps,
  save_steps: args.save_steps,
  train_batch_size: args.per_device_train_batch_size,
  num_train_epochs: 0,
  num_input_tokens_seen: 0,
  total_flos: 0,
  log_history: [],
  best_metric: null,
  best_global_step: null,
  best_model_checkpoint: null,
  is_local_process_zero: true,
  is_world_process_zero: true,
  is_hyper_param_search: false,
  trial_name: null,
  trial_params: null,
  stateful_callbacks: {},
});

/** The evaluation where the metric was the best. Unknown where nothing is saved, as nobody can go back there. */
export const bestEvaluation = ({ log_history, best_global_step }: TrainerState): LogEntry | undefined =>
  log_history.find(({ step, eval_loss }) => step === best_global_step && eval_loss !== undefined);

/** Of those that have a state, by the names of their classes; of several of one class, a list. */
export function statesOf(
  callbacks: readonly TrainerCallback[],
  control: TrainerControl,
): Record<string, CallbackState | CallbackState[]> {
  const states: Record<string, CallbackState[]> = { TrainerControl: [{ args: { ...control }, attributes: {} }] };
  for (const callback of callbacks) {
    if (callback.state === undefined) continue;
    const { name } = callback.constructor;
    states[name] = [...(states[name] ?? []), callback.state()];
  }
  return Object.fromEntries(Object.entries(states).map(([name, all]) => [name, all.length === 1 ? all[0] : all]));
}

export function restoreCallbacks(
  callbacks: readonly TrainerCallback[],
  states: Record<string, CallbackState | CallbackState[]>,
): void {
  const left = new Map(Object.entries(states).map(([name, found]) => [name, [found].flat()]));
  for (const callback of callbacks) {
    if (callback.state === undefined) continue;
    const found = left.get(callback.constructor.name)?.shift();
    if (found !== undefined) Object.assign(callback, found.attributes);
  }
}
