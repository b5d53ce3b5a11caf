/** One training: epochs, steps, and what is done after them. The order is that of transformers' Trainer (`_run_epoch`). */
import { unlessAborted, yieldToEvents } from '../base/abort.js';
import { MobileNetError } from '../base/errors.js';
import type { TrainingArguments } from './arguments.js';
import type { CallbackDetails, EventName, LogEntry, TrainerControl, TrainerState } from './callbacks.js';
import type { Checkpoint, Resume } from './checkpoints.js';
import type { Learner } from './learner.js';
import type { LossOfBatch } from './losses.js';
import type { MetricSchedule } from './metric-schedules.js';
import { optimizerOf } from './optimizers.js';
import { Random } from './random.js';
import type { Sampler, Step } from './sampler.js';

/** What a run needs of its trainer. */
export interface Host {
  readonly args: TrainingArguments;
  readonly state: TrainerState;
  readonly control: TrainerControl;
  tell(event: EventName, details?: Omit<CallbackDetails, 'trainer'>): Promise<void>;
  log(logs: LogEntry): Promise<void>;
  /** Evaluates, and says whether the metric is the best so far. */
  evaluate(): Promise<boolean>;
  /** Writes a checkpoint. */
  save(resume: Resume): Promise<void>;
}

/** Parts of a training that stay the same. */
export interface Parts {
  learner: Learner;
  sampler: Sampler;
  /** The learning rate of a step; the first is 0. */
  rateOf: (step: number) => number;
  /** Where the rate follows a metric. */
  following: MetricSchedule | undefined;
  epochs: number;
  lossOf: LossOfBatch;
  dropout: number;
  signal: AbortSignal | undefined;
}

/** So that no other random numbers of the same seed are these. */
const DROPOUT = 0x6472;

export class TrainingRun {
  readonly #host: Host;
  readonly #parts: Parts;
  /** Where it is: what a checkpoint says. */
  #epoch = 0;
  #steps = 0;
  #lossSum = 0;
  #lastLogged = 0;
  #totalLoss = 0;
  #gradNorm: number | null = null;
  #learningRate: number | null = null;

  constructor(host: Host, parts: Parts, from?: Checkpoint) {
    this.#host = host;
    this.#parts = parts;
    if (from === undefined) return;
    const { epoch, steps, lossSum, lastLogged, totalLoss, gradNorm, learningRate, control } = from.resume;
    Object.assign(host.control, control);
    this.#epoch = epoch;
    this.#steps = steps;
    this.#lossSum = lossSum;
    this.#lastLogged = lastLogged;
    this.#totalLoss = totalLoss;
    this.#gradNorm = gradNorm;
    this.#learningRate = learningRate;
  }

  /** The mean loss of all steps. @throws the signal's reason; the step that it came in is dropped */
  async go(): Promise<number> {
    const { control, state } = this.#host;
    const { epochs, sampler } = this.#parts;
    // What was still to be done when the checkpoint was written.
    await this.#logEvaluateSave();
    while (this.#epoch < epochs && !(this.#steps === 0 && this.#isOver())) {
      if (this.#steps === 0) control.should_epoch_stop = false;
      await this.#host.tell('on_epoch_begin');
      const steps = sampler.epoch(this.#epoch);
      while (this.#steps < steps.length && !control.should_epoch_stop && !this.#isOver())
        await this.#step(steps[this.#steps]!);
      await this.#host.tell('on_epoch_end');
      this.#epoch++;
      this.#steps = 0;
      await this.#logEvaluateSave();
    }
    return (this.#totalLoss + this.#lossSum) / Math.max(state.global_step, 1);
  }

  #isOver(): boolean {
    const { control, state } = this.#host;
    return control.should_training_stop || state.global_step >= state.max_steps;
  }

  /** Where it is, for a checkpoint. */
  resume(): Resume {
    const { args, control, state } = this.#host;
    return {
      epoch: this.#epoch,
      steps: this.#steps,
      // The end of this training is not the end of one that goes on for longer.
      control: {
        ...control,
        should_training_stop: control.should_training_stop && state.global_step < state.max_steps,
      },
      seed: args.seed,
      data_seed: args.data_seed ?? args.seed,
      pictures: this.#parts.sampler.pictures,
      lossSum: this.#lossSum,
      lastLogged: this.#lastLogged,
      totalLoss: this.#totalLoss,
      gradNorm: this.#gradNorm,
      learningRate: this.#learningRate,
      schedule: this.#parts.following?.state(),
      args: args.to_dict(),
    };
  }

  async #step(step: Step): Promise<void> {
    const { args, state, control } = this.#host;
    const { sampler, signal } = this.#parts;
    if (signal !== undefined) await yieldToEvents(signal);
    Object.assign(control, { should_log: false, should_evaluate: false, should_save: false });
    await this.#host.tell('on_step_begin');
    const loss = await this.#gradients(step).catch((cause) => this.#drop(cause));
    await this.#update();
    this.#lossSum += loss;
    this.#steps++;
    state.global_step++;
    const batches = Math.min(this.#steps * args.gradient_accumulation_steps, sampler.batchesPerEpoch);
    state.epoch = this.#epoch + batches / sampler.batchesPerEpoch;
    await this.#host.tell('on_step_end');
    await this.#logEvaluateSave();
  }

  /** Nothing of a step that ends early stays, so that what is saved is the end of the one before. */
  async #drop(cause: unknown): Promise<never> {
    await this.#parts.learner.session.dropStep().catch(() => {}); // the first error counts
    throw cause;
  }

  /** Adds up the gradients of a step's batches. Each picture of the step counts the same. */
  async #gradients(step: Step): Promise<number> {
    const { args } = this.#host;
    const { learner, sampler, lossOf, dropout, signal } = this.#parts;
    const pictures = step.reduce((sum, batch) => sum + batch.length, 0);
    const first = this.#epoch * sampler.batchesPerEpoch + this.#steps * args.gradient_accumulation_steps;
    let loss = 0;
    for (const [i, batch] of step.entries()) {
      const { pixel_values, labels } = await unlessAborted(learner.batch(batch, this.#epoch), signal);
      const mask = dropout > 0 ? this.#mask(batch.length, first + i) : undefined;
      const dims = pixel_values.dims as readonly [number, number, number, number];
      const part = lossOf(labels, batch.length / pictures);
      const result = await learner.session.accumulate(pixel_values.data, dims, part, { dropout: mask, signal });
      loss += result.loss;
      if (i < step.length - 1) await this.#host.tell('on_substep_end');
    }
    return loss;
  }

  /** [N,C] zeros, and what makes up for them. */
  #mask(batch: number, at: number): Float32Array {
    const { dropout, learner } = this.#parts;
    const random = Random.at(this.#host.args.seed, DROPOUT, at);
    const mask = new Float32Array(batch * learner.session.classifierChannels);
    for (let i = 0; i < mask.length; i++) mask[i] = random.uniform() < dropout ? 0 : 1 / (1 - dropout);
    return mask;
  }

  /** Shortens the gradients, steps, forgets them. */
  async #update(): Promise<void> {
    const { args, state } = this.#host;
    const { session } = this.#parts.learner;
    const norm = await session.gradientNorm();
    if (!Number.isFinite(norm)) throw this.#diverged(norm);
    // torch's clip_grad_norm_
    const gradientScale = args.max_grad_norm > 0 ? Math.min(1, args.max_grad_norm / (norm + 1e-6)) : 1;
    await this.#host.tell('on_pre_optimizer_step');
    const learningRate = this.#parts.rateOf(state.global_step);
    const { weight_decay: weightDecay, decayed } = args;
    const optimizer = optimizerOf(args.optim, args, args.optim_args);
    await session.update(optimizer, { learningRate, weightDecay, decayed, gradientScale });
    await this.#host.tell('on_optimizer_step');
    await session.zeroGradients();
    this.#gradNorm = norm;
    this.#learningRate = learningRate;
  }

  #diverged(norm: number): MobileNetError {
    const { args, state } = this.#host;
    const frozen = args.batch_norm === 'frozen' && args.train !== 'head';
    const remedy = frozen ? ", or train the batch norms: batch_norm: 'train'" : '';
    return new MobileNetError(
      'NONFINITE',
      `step ${state.global_step + 1}: expected finite gradients, got a norm of ${norm}; lower learning_rate (${args.learning_rate})${remedy}`,
    );
  }

  async #logEvaluateSave(): Promise<void> {
    const { control, state } = this.#host;
    if (control.should_log && state.global_step > this.#lastLogged) await this.#log();
    let isBest = false;
    if (control.should_evaluate) {
      isBest = await this.#host.evaluate();
      control.should_evaluate = false;
    }
    if (this.#host.args.save_strategy === 'best') control.should_save = isBest;
    if (!control.should_save) return;
    control.should_save = false;
    await this.#host.save(this.resume());
    await this.#host.tell('on_save');
  }

  async #log(): Promise<void> {
    const { state, control } = this.#host;
    const logs: LogEntry = { loss: this.#lossSum / (state.global_step - this.#lastLogged) };
    if (this.#gradNorm !== null) logs.grad_norm = this.#gradNorm;
    if (this.#learningRate !== null) logs.learning_rate = this.#learningRate;
    this.#totalLoss += this.#lossSum;
    this.#lossSum = 0;
    this.#lastLogged = state.global_step;
    control.should_log = false;
    await this.#host.log(logs);
  }
}
