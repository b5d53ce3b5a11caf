/**
 * `Trainer`: transformers' class of this name, for the networks of this package.
 *
 *     const trainer = new Trainer({ model, args, train_dataset, eval_dataset, compute_metrics });
 *     await trainer.train({ signal });
 *     await trainer.save_model('flowers');
 */
import { checkSignal } from '../base/abort.js';
import { checkFunction, checkText } from '../base/check.js';
import { requirePlatform, warn } from '../base/env.js';
import { expected, MobileNetError } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import { architectureOf, checkpointFiles } from '../models/mobilenet-v2/checkpoint.js';
import { MobileNetV2Config } from '../models/mobilenet-v2/config.js';
import type { MobileNetV2ForImageClassification } from '../models/mobilenet-v2/image-classification.js';
import type { MobileNetV2ForSemanticSegmentation } from '../models/mobilenet-v2/semantic-segmentation.js';
import { COUNTER } from '../models/mobilenet-v2/weights.js';
import { MobileNetV2ImageProcessor } from '../processors/image-processor.js';
import { Tensor } from '../tensor/tensor.js';
import { TrainingArguments, type TrainingOptions } from './arguments.js';
import { inOrder, loadBatch } from './batches.js';
import {
  type CallbackDetails,
  checkCallback,
  defaultFlow,
  type EventName,
  type LogEntry,
  metricName,
  type TrainerCallback,
  type TrainerControl,
  type TrainerState,
} from './callbacks.js';
import {
  type Checkpoint,
  checkpointPath,
  folderStore,
  get_last_checkpoint,
  type Resume,
  readCheckpoint,
  readWeights,
  rotateCheckpoints,
  trainingFiles,
} from './checkpoints.js';
import { checkClasses, checkDataset, checkModel, checkSameTraining } from './checks.js';
import type { TrainingDataset } from './dataset.js';
import { type ComputeMetrics, evaluate, type PredictionOutput, speedOf } from './evaluation.js';
import { type Learner, makeLearner, type Predictions, trainedPart } from './learner.js';
import { type LossOfBatch, lossOfModel } from './losses.js';
import { followsMetric, type MetricSchedule, metricSchedule } from './metric-schedules.js';
import { memoryNames, optimizerOf } from './optimizers.js';
import { TrainingRun } from './run.js';
import { balancedWeights, Sampler, targetsOf } from './sampler.js';
import { scheduleOf } from './schedules.js';
import { bestEvaluation, newControl, newState, restoreCallbacks, statesOf } from './state.js';
import { statisticsOf } from './statistics.js';

/** What can be trained. */
export type TrainableModel = MobileNetV2ForImageClassification | MobileNetV2ForSemanticSegmentation;

/** What a trainer is made of. */
export interface TrainerOptions {
  model: TrainableModel;
  /** Defaults unless given. */
  args?: TrainingArguments | TrainingOptions;
  train_dataset?: TrainingDataset;
  eval_dataset?: TrainingDataset;
  /** Metrics of an evaluation; without it there is the loss. */
  compute_metrics?: ComputeMetrics;
  /** Listeners: `{ on_log(args, state, control, { logs }) {} }`. */
  callbacks?: readonly TrainerCallback[];
  /** Written beside the model, so that pictures are prepared later as they were here. */
  processing_class?: MobileNetV2ImageProcessor;
}

/** How a training begins. */
export interface TrainOptions {
  /** Goes on from a checkpoint: its folder, or true for the last one of `output_dir`. */
  resume_from_checkpoint?: string | boolean | null;
  /** Ends it at once: the step that it is at is dropped, a checkpoint written, and the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** What a training gave. */
export interface TrainOutput {
  global_step: number;
  /** The mean over all steps. */
  training_loss: number;
  metrics: LogEntry;
}

const OPTIONS = [
  ...['model', 'args', 'train_dataset', 'eval_dataset'],
  ...['compute_metrics', 'callbacks', 'processing_class'],
];

/** Trains a network, evaluates it, and writes it. */
export class Trainer {
  readonly model: TrainableModel;
  readonly args: TrainingArguments;
  readonly train_dataset: TrainingDataset | undefined;
  readonly eval_dataset: TrainingDataset | undefined;
  readonly processing_class: MobileNetV2ImageProcessor | undefined;
  /** How far it is, and the log so far. */
  state: TrainerState;
  /** What callbacks may set. */
  readonly control: TrainerControl;
  readonly #callbacks: TrainerCallback[];
  readonly #compute: ComputeMetrics | undefined;
  /** While it trains. */
  #learner: Learner | undefined;
  /** Whether the model is as the learner has it. */
  #isCurrent = true;
  /** What norms had counted when the learner began, by their prefixes. */
  #counted: ReadonlyMap<string, bigint> = new Map();

  /** @throws MobileNetError ARG for options that are not known or cannot be, UNSUPPORTED for a quantized model */
  constructor(options: TrainerOptions) {
    checkOptions(options, OPTIONS, 'Trainer');
    const {
      model,
      args = {},
      train_dataset,
      eval_dataset,
      compute_metrics,
      callbacks = [],
      processing_class,
    } = options;
    checkModel(model);
    for (const [name, dataset] of Object.entries({ train_dataset, eval_dataset })) checkDataset(name, dataset);
    if (compute_metrics !== undefined) checkFunction(compute_metrics, 'compute_metrics');
    if (processing_class !== undefined && !(processing_class instanceof MobileNetV2ImageProcessor))
      throw expected('processing_class', 'a MobileNetV2ImageProcessor', processing_class);
    if (!Array.isArray(callbacks)) throw expected('callbacks', 'a list', callbacks);
    callbacks.forEach(checkCallback);
    this.model = model;
    this.args = args instanceof TrainingArguments ? args : new TrainingArguments(args);
    this.train_dataset = train_dataset;
    this.eval_dataset = eval_dataset;
    this.processing_class = processing_class;
    this.#compute = compute_metrics;
    this.#callbacks = [defaultFlow, ...callbacks];
    this.state = newState(this.args);
    this.control = newControl();
    if (this.args.eval_strategy !== 'no' && eval_dataset === undefined)
      throw new MobileNetError('ARG', `eval_strategy: '${this.args.eval_strategy}' needs an eval_dataset`);
  }

  /** From now on it is told of events, after those that were there before. */
  add_callback(callback: TrainerCallback): void {
    checkCallback(callback);
    this.#callbacks.push(callback);
  }

  /** From now on it is told of nothing. */
  remove_callback(callback: TrainerCallback): void {
    const at = this.#callbacks.indexOf(callback);
    if (at > 0) this.#callbacks.splice(at, 1);
  }

  /**
   * Trains the model, which afterwards has the weights of the end, or the best ones.
   * @throws MobileNetError ARG for options and data that cannot be, NONFINITE where it diverges, NOT_FOUND for a checkpoint that
   *   is not there; what the dataset, a callback and the disk throw; the signal's reason
   */
  async train(options: TrainOptions = {}): Promise<TrainOutput> {
    checkOptions(options, ['resume_from_checkpoint', 'signal'], 'train');
    const { resume_from_checkpoint: from, signal } = options;
    checkSignal(signal);
    if (this.#learner !== undefined) throw new MobileNetError('ARG', 'train: this trainer trains already');
    const dataset = this.train_dataset;
    if (dataset === undefined) throw new MobileNetError('ARG', 'train: expected a train_dataset, got none');
    checkClasses(this.model, dataset);
    const sampler = new Sampler(this.args, dataset);
    const checkpoint = await this.#checkpoint(from, sampler);
    this.#begin(sampler, checkpoint);
    this.#learner = await makeLearner(this.model, dataset, this.args, signal);
    try {
      return await this.#train(sampler, checkpoint, signal);
    } finally {
      this.#learner.dispose();
      this.#learner = undefined;
    }
  }

  /**
   * The loss and the metrics of a dataset, by names that begin with `eval_`.
   * @param options `metric_key_prefix` in place of `eval`
   */
  async evaluate(
    dataset: TrainingDataset | undefined = this.eval_dataset,
    options: { signal?: AbortSignal; metric_key_prefix?: string } = {},
  ): Promise<LogEntry> {
    const { metrics } = await this.#evaluate(dataset, { prefix: 'eval', keeps: false }, options);
    await this.#log(metrics!);
    await this.#tell('on_evaluate', { metrics: metrics! });
    return metrics!;
  }

  /** What the network says of a dataset, beside what is so; metrics begin with `test_`. */
  async predict(
    dataset: TrainingDataset,
    options: { signal?: AbortSignal; metric_key_prefix?: string } = {},
  ): Promise<PredictionOutput> {
    const output = await this.#evaluate(dataset, { prefix: 'test', keeps: true }, options);
    await this.#tell('on_predict', { metrics: output.metrics! });
    return output as PredictionOutput;
  }

  /** Writes config.json, model.safetensors and, with a processor, preprocessor_config.json. */
  async save_model(output_dir: string = this.args.output_dir): Promise<void> {
    checkText(output_dir, 'save_model');
    await this.#sync();
    await requirePlatform('writeFolder', 'save_model')(output_dir, this.#modelFiles());
  }

  async #train(
    sampler: Sampler,
    checkpoint: Checkpoint | undefined,
    signal: AbortSignal | undefined,
  ): Promise<TrainOutput> {
    const { args, state } = this;
    const { session } = this.#learner!;
    if (checkpoint !== undefined) {
      const own = await session.state(); // a head has the classifier and nothing else
      this.#use(checkpoint.weights);
      const weights = [...checkpoint.weights].filter(([name]) => own.has(name));
      await session.load(new Map(weights.map(([name, { data }]) => [name, data as Float32Array])));
      await session.loadOptimizerState(checkpoint.optimizer);
    }
    this.#counted = this.#counters();
    this.#isCurrent = true;
    const start = performance.now();
    const first = state.global_step;
    const parts = this.#parts(sampler, checkpoint, signal);
    const run = new TrainingRun(this.#host(signal, parts.following), parts, checkpoint);
    await this.#tell('on_train_begin');
    let training_loss: number;
    try {
      if (args.eval_on_start && checkpoint === undefined) await this.#evaluateNow(signal, undefined);
      training_loss = await run.go();
    } catch (cause) {
      this.#isCurrent = false;
      if (signal?.aborted && cause === signal.reason) {
        await this.#sync();
        // Before the first step there is nothing new.
        if (args.save_strategy !== 'no' && state.global_step > first) await this.#save(run.resume());
      }
      throw cause;
    }
    await this.#sync();
    const steps = state.global_step - first;
    const pictures = steps * args.gradient_accumulation_steps * args.per_device_train_batch_size;
    const metrics = {
      ...speedOf('train', performance.now() - start, { pictures, steps }),
      total_flos: state.total_flos,
    };
    const logs: LogEntry = { ...metrics, train_loss: training_loss };
    await this.#log(logs);
    if (args.load_best_model_at_end && state.best_model_checkpoint !== null) {
      this.#use(await readWeights(await folderStore(), state.best_model_checkpoint));
    }
    if (args.reestimateStatistics) await this.#reestimate(signal);
    await this.#tell('on_train_end');
    return { global_step: state.global_step, training_loss, metrics: logs };
  }

  async #reestimate(signal: AbortSignal | undefined): Promise<void> {
    const { args, model, train_dataset } = this;
    const trainable = trainedPart(model, args.train);
    const size = args.per_device_train_batch_size;
    this.#use(floats(await statisticsOf(model, train_dataset!, { trainable, size, signal }), model.state_dict()));
  }

  /** The checkpoint to go on from, of a training like this one. */
  async #checkpoint(from: TrainOptions['resume_from_checkpoint'], sampler: Sampler): Promise<Checkpoint | undefined> {
    if (from === undefined || from === null || from === false) return undefined;
    const { args } = this;
    if (from !== true) checkText(from, 'resume_from_checkpoint');
    const path = from === true ? await get_last_checkpoint(args.output_dir) : from;
    if (path === undefined) {
      throw new MobileNetError(
        'NOT_FOUND',
        `resume_from_checkpoint: ${args.output_dir} has no folder checkpoint-N; leave it out to begin anew`,
      );
    }
    const memory = memoryNames(optimizerOf(args.optim, args, args.optim_args));
    const found = await readCheckpoint(await folderStore(), path, memory);
    checkSameTraining(found, args, sampler);
    return found;
  }

  #begin(sampler: Sampler, checkpoint: Checkpoint | undefined): void {
    const { args } = this;
    const epochs = args.max_steps > 0 ? args.max_steps / sampler.stepsPerEpoch : args.num_train_epochs;
    const max_steps = args.max_steps > 0 ? args.max_steps : Math.ceil(epochs * sampler.stepsPerEpoch);
    const stepsOf = (steps: number) => (steps < 1 ? Math.ceil(max_steps * steps) : steps);
    this.state = {
      ...newState(args),
      ...checkpoint?.state,
      max_steps,
      num_train_epochs: Math.ceil(epochs),
      logging_steps: stepsOf(args.logging_steps),
      eval_steps: stepsOf(args.eval_steps ?? args.logging_steps),
      save_steps: stepsOf(args.save_steps),
    };
    Object.assign(this.control, newControl());
    if (checkpoint !== undefined) restoreCallbacks(this.#callbacks, this.state.stateful_callbacks);
  }

  #parts(
    sampler: Sampler,
    checkpoint: Checkpoint | undefined,
    signal: AbortSignal | undefined,
  ): ConstructorParameters<typeof TrainingRun>[1] {
    const { args, state, model } = this;
    const dropout = args.classifier_dropout_prob ?? model.config.classifier_dropout_prob;
    if (args.classifier_dropout_prob === undefined && dropout >= 0.8) {
      warn(
        `classifier_dropout_prob: the configuration says ${dropout}, transformers' default, which drops most of what the classifier sees; 0.2 is usual for this network: pass it to TrainingArguments`,
      );
    }
    return {
      learner: this.#learner!,
      sampler,
      ...this.#rates(sampler, checkpoint),
      epochs: state.num_train_epochs,
      lossOf: this.#lossOf(),
      dropout,
      signal,
    };
  }

  #rates({ stepsPerEpoch }: Sampler, checkpoint: Checkpoint | undefined) {
    const { args, state } = this;
    const { learning_rate, lr_scheduler_type: type, lr_scheduler_kwargs } = args;
    if (followsMetric(type)) {
      const following = metricSchedule(type, args, lr_scheduler_kwargs, checkpoint?.resume.schedule);
      return { following, rateOf: () => following.rate };
    }
    const { max_steps: steps } = state;
    const course = { learning_rate, warmup: args.get_warmup_steps(steps), steps, stepsPerEpoch };
    const schedule = scheduleOf(type, course, lr_scheduler_kwargs);
    return { following: undefined, rateOf: (step: number) => learning_rate * schedule(step) };
  }

  #host(
    signal: AbortSignal | undefined,
    following: MetricSchedule | undefined,
  ): ConstructorParameters<typeof TrainingRun>[0] {
    const { args, control, state } = this;
    return {
      args,
      control,
      state,
      tell: (event, details) => {
        if (event === 'on_optimizer_step') this.#isCurrent = false;
        return this.#tell(event, details);
      },
      log: (logs) => this.#log(logs),
      evaluate: () => this.#evaluateNow(signal, following),
      save: (resume) => this.#save(resume),
    };
  }

  /** Evaluates while it trains. Gives whether the metric is the best so far. */
  async #evaluateNow(signal: AbortSignal | undefined, following: MetricSchedule | undefined): Promise<boolean> {
    const metrics = await this.evaluate(this.eval_dataset, { ...(signal && { signal }) });
    const { metric_for_best_model: metric, greater_is_better, save_strategy } = this.args;
    if (metric === undefined) return false;
    const value = metrics[metricName(metric)];
    if (value === undefined) {
      const names = Object.keys(metrics).join(', ');
      throw new MobileNetError('ARG', `metric_for_best_model: there is no ${metricName(metric)}; there are ${names}`);
    }
    following?.step(value);
    const { best_metric: best } = this.state;
    const isBetter = best === null || (greater_is_better ? value > best : value < best);
    // Of few pictures, a few more or less are right, or none: many epochs are equal. (transformers keeps the first.)
    if (!isBetter && !(value === best && metrics.eval_loss! < Number(bestEvaluation(this.state)?.eval_loss)))
      return false;
    this.state.best_metric = value;
    if (save_strategy !== 'no') this.state.best_global_step = this.state.global_step;
    return true;
  }

  async #evaluate(
    dataset: TrainingDataset | undefined,
    { prefix, keeps }: { prefix: string; keeps: boolean },
    options: { signal?: AbortSignal; metric_key_prefix?: string },
  ): Promise<Partial<PredictionOutput>> {
    checkOptions(options, ['signal', 'metric_key_prefix'], 'evaluate');
    const { signal, metric_key_prefix = prefix } = options;
    checkSignal(signal);
    if (dataset === undefined) throw new MobileNetError('ARG', 'evaluate: expected an eval_dataset, got none');
    checkDataset('dataset', dataset);
    checkClasses(this.model, dataset);
    const size = this.args.per_device_eval_batch_size;
    return evaluate(this.#predictions(dataset, size, signal), {
      lossOf: this.#lossOf(),
      compute: this.#compute,
      byBatch: this.args.batch_eval_metrics,
      keeps,
      prefix: metric_key_prefix,
      batches: Math.ceil(dataset.length / size),
      onBatch: () => this.#tell('on_prediction_step'),
    });
  }

  async *#predictions(dataset: TrainingDataset, size: number, signal: AbortSignal | undefined): Predictions {
    if (this.#learner?.predict !== undefined) {
      yield* this.#learner.predict(dataset, size, signal);
      return;
    }
    await this.#sync();
    for (const pictures of inOrder(dataset.length, size)) {
      signal?.throwIfAborted();
      const { pixel_values, labels } = await loadBatch(dataset, pictures, () => null);
      const { logits } = await this.model.forward({ pixel_values, ...(signal && { signal }) });
      yield { logits, labels };
    }
  }

  #lossOf(): LossOfBatch {
    const { args, model, train_dataset } = this;
    const classes = model.config.num_labels;
    const { classWeights: given } = args;
    if (given === 'balanced' && train_dataset === undefined)
      throw new MobileNetError('ARG', "classWeights: 'balanced' needs a train_dataset");
    const weights = given === 'balanced' ? balancedWeights(targetsOf(train_dataset!, 'classWeights'), classes) : given;
    if (weights !== undefined && weights.length !== classes)
      throw expected('classWeights', `${classes} numbers, one for each class`, weights);
    return lossOfModel(model, {
      label_smoothing: args.label_smoothing_factor,
      classWeights: weights,
    });
  }

  async #save(resume: Resume): Promise<void> {
    const { args, state } = this;
    const store = await folderStore();
    await this.#sync();
    const path = checkpointPath(args.output_dir, state.global_step);
    const best = state.best_global_step;
    if (best !== null) {
      const name = `checkpoint-${best}`;
      const isThere = best === state.global_step || (await store.list(args.output_dir)).includes(name);
      if (isThere) state.best_model_checkpoint = checkpointPath(args.output_dir, best);
    }
    state.stateful_callbacks = statesOf(this.#callbacks, this.control);
    const { session } = this.#learner!;
    const rest = {
      resume,
      optimizer: await session.optimizerState(),
      memory: memoryNames(optimizerOf(args.optim, args, args.optim_args)),
      dims: new Map(session.parameters.map(({ name, dims }) => [name, dims])),
    };
    const training = trainingFiles(state, args.save_only_model ? undefined : rest);
    await store.write(path, new Map([...this.#modelFiles(), ...training]));
    await rotateCheckpoints(store, args.output_dir, {
      limit: args.save_total_limit,
      best: state.best_model_checkpoint,
    });
  }

  #modelFiles(): Map<string, Uint8Array> {
    const { args, model, processing_class: processor } = this;
    const { classifier_dropout_prob = model.config.classifier_dropout_prob } = args;
    const config = MobileNetV2Config.from_dict({ ...model.config.to_dict(), classifier_dropout_prob });
    const how = { architecture: architectureOf(model.graph), dtype: 'float32' } as const;
    const files = checkpointFiles(config, model.state_dict(), how);
    if (processor === undefined) return files;
    const text = `${JSON.stringify(processor.to_dict(), null, 2)}\n`;
    return files.set('preprocessor_config.json', new TextEncoder().encode(text));
  }

  /** Gives the model the weights that training has made. */
  async #sync(): Promise<void> {
    if (this.#learner === undefined || this.#isCurrent) return;
    const { session } = this.#learner;
    const weights = floats(await session.state(), this.model.state_dict());
    for (const [prefix, batches] of session.batchesTracked) {
      const count = BigInt64Array.of((this.#counted.get(prefix) ?? 0n) + BigInt(batches));
      weights.set(`${prefix}.${COUNTER}`, new Tensor('int64', count, []));
    }
    this.#use(weights);
    this.#isCurrent = true;
  }

  #use(weights: ReadonlyMap<string, Tensor>): void {
    const state = this.model.state_dict();
    for (const [name, tensor] of weights) if (state.has(name)) state.set(name, tensor as Tensor<'float32'>);
    this.model.load_state_dict(state);
  }

  #counters(): Map<string, bigint> {
    const counters = new Map<string, bigint>();
    for (const [name, { data }] of this.model.state_dict()) {
      if (name.endsWith(`.${COUNTER}`)) counters.set(name.slice(0, -COUNTER.length - 1), (data as BigInt64Array)[0]!);
    }
    return counters;
  }

  async #log(logs: LogEntry): Promise<void> {
    logs.epoch = this.state.epoch;
    this.state.log_history.push({ ...logs, step: this.state.global_step });
    await this.#tell('on_log', { logs });
  }

  async #tell(event: EventName, details: Omit<CallbackDetails, 'trainer'> = {}): Promise<void> {
    for (const callback of this.#callbacks)
      await callback[event]?.(this.args, this.state, this.control, { trainer: this, ...details });
  }
}

/** As tensors, in the shapes that the model has them in. */
function floats(
  values: ReadonlyMap<string, Float32Array>,
  state: ReadonlyMap<string, { dims: readonly number[] }>,
): Map<string, Tensor> {
  return new Map([...values].map(([name, data]) => [name, new Tensor('float32', data, state.get(name)!.dims)]));
}
