/**
 * Learning rates that follow a metric: after each evaluation they look whether it has become better. `reduce_lr_on_plateau` is
 * PyTorch's, `greedy` transformers' (optimization.py, GreedyLR), to the last bit.
 */
import { expected, MobileNetError } from '../base/errors.js';
import { isJsonObject, type JsonObject } from '../base/json.js';

/** What `lr_scheduler_kwargs` of these may hold. */
export interface MetricScheduleOptions {
  /** Whether the metric is to fall or to rise; as `greater_is_better` says, unless given. (transformers: always `min`.) */
  mode?: 'min' | 'max';
  /** What the rate is multiplied by. Default 0.1; of `greedy` 0.95. */
  factor?: number;
  /** Evaluations without a better metric that are let pass; of `greedy`, those with a better one too. Default 10. */
  patience?: number;
  /** By how much it has to be better. Default 1e-4; of `greedy` 1e-6. */
  threshold?: number;
  /** Whether that is a part of the best, or a difference. Default `rel`; of `greedy` `abs`. */
  threshold_mode?: 'rel' | 'abs';
  /** Evaluations after a lower rate that do not count. Default 0. */
  cooldown?: number;
  /** Of `greedy`: evaluations after a higher rate that do not count. Default 0. */
  warmup?: number;
  /** The least rate. Default 0; of `greedy` 1e-3. */
  min_lr?: number;
  /** Of `greedy`: the greatest rate. Default 1. */
  max_lr?: number;
  /** Smaller changes of the rate are left out. Default 1e-8. */
  eps?: number;
  /** Of `greedy`: looks at the mean of the last metrics. Default false. */
  smooth?: boolean;
  /** Of `greedy`: of how many. Default 50. */
  window_size?: number;
  /** Of `greedy`: how often the rate would fall below the least until all begins anew. Default 500. */
  reset_start?: number;
}

/** What a checkpoint keeps of one. The best so far is null before the first evaluation. */
export type ScheduleState = Record<string, number | null | number[]>;

/** A learning rate that follows a metric. */
export interface MetricSchedule {
  /** The learning rate of the next step. */
  readonly rate: number;
  /** Looks at the metric of an evaluation. */
  step(metric: number): void;
  state(): ScheduleState;
}

const PLATEAU = {
  ...{ factor: 0.1, patience: 10, threshold: 1e-4, threshold_mode: 'rel', cooldown: 0, min_lr: 0, eps: 1e-8 },
} as const;
const GREEDY = {
  ...{ factor: 0.95, patience: 10, threshold: 1e-6, threshold_mode: 'abs', cooldown: 0, min_lr: 1e-3, eps: 1e-8 },
  ...{ warmup: 0, max_lr: 1, smooth: false, window_size: 50, reset_start: 500 },
} as const;

/** Options of each, with their defaults. */
export const METRIC_SCHEDULES = { reduce_lr_on_plateau: PLATEAU, greedy: GREEDY } as const;

export type MetricScheduleName = keyof typeof METRIC_SCHEDULES;
type Settings = Required<MetricScheduleOptions>;

export const followsMetric = (name: string): name is MetricScheduleName => Object.hasOwn(METRIC_SCHEDULES, name);

/**
 * @param state where a checkpoint left it
 * @throws MobileNetError BAD_HEADER for a state of something else
 */
export function metricSchedule(
  name: MetricScheduleName,
  training: { learning_rate: number; greater_is_better: boolean | undefined },
  options: MetricScheduleOptions,
  state?: ScheduleState,
): MetricSchedule {
  const mode = options.mode ?? (training.greater_is_better ? 'max' : 'min');
  const settings = { ...GREEDY, ...METRIC_SCHEDULES[name], ...options, mode } as Settings;
  const schedule =
    name === 'greedy' ? new Greedy(settings, training.learning_rate) : new Plateau(settings, training.learning_rate);
  if (state !== undefined) schedule.load(state);
  return schedule;
}

/** @throws MobileNetError ARG */
export function checkMetricOption(name: string, value: unknown): void {
  const where = `lr_scheduler_kwargs.${name}`;
  if (name === 'mode' || name === 'threshold_mode') {
    const choices = name === 'mode' ? ['min', 'max'] : ['rel', 'abs'];
    if (!choices.includes(value as string)) throw expected(where, choices.join(' or '), value);
  } else if (name === 'smooth') {
    if (typeof value !== 'boolean') throw expected(where, 'true or false', value);
  } else {
    const whole = ['patience', 'cooldown', 'warmup', 'window_size', 'reset_start'].includes(name);
    const fits = Number.isFinite(value) && (value as number) >= 0 && (!whole || Number.isInteger(value));
    if (!fits) throw expected(where, `a ${whole ? 'whole ' : ''}number from 0`, value);
    if (name === 'factor' && !((value as number) < 1)) throw expected(where, 'a number below 1', value);
    if (name === 'window_size' && value === 0) throw expected(where, 'a whole number from 1', value);
  }
}

/** Names of all fields are PyTorch's and transformers', as their `state_dict` has them. */
abstract class Following implements MetricSchedule {
  protected readonly settings: Settings;
  protected fields: ScheduleState;

  constructor(settings: Settings, fields: ScheduleState) {
    this.settings = settings;
    this.fields = fields;
  }

  abstract step(metric: number): void;

  get rate(): number {
    return this.number('lr');
  }

  state(): ScheduleState {
    return structuredClone(this.fields);
  }

  load(state: ScheduleState): void {
    const isNumber = (value: unknown) => typeof value === 'number';
    const fits = (name: string, own: ScheduleState[string], value: unknown) =>
      Array.isArray(own)
        ? Array.isArray(value) && value.every(isNumber)
        : isNumber(value) || (name === 'best' && value === null);
    if (
      isJsonObject(state as JsonObject) &&
      Object.entries(this.fields).every(([name, own]) => fits(name, own, state[name]))
    ) {
      this.fields = structuredClone(state);
      return;
    }
    throw new MobileNetError(
      'BAD_HEADER',
      'resume.json: schedule: expected the numbers of the same lr_scheduler_type; go on with that',
    );
  }

  protected number(name: string): number {
    return this.fields[name] as number;
  }

  protected isBetter(value: number): boolean {
    const { mode, threshold, threshold_mode } = this.settings;
    const rises = mode === 'max';
    const best = (this.fields.best as number | null) ?? (rises ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY);
    if (threshold_mode === 'rel') return rises ? value > best * (1 + threshold) : value < best * (1 - threshold);
    return rises ? value > best + threshold : value < best - threshold;
  }

  protected lower(): void {
    const { factor, min_lr, eps } = this.settings;
    const next = Math.max(this.rate * factor, min_lr);
    if (this.rate - next > eps) this.fields.lr = next;
  }
}

class Plateau extends Following {
  constructor(settings: Settings, rate: number) {
    super(settings, { lr: rate, best: null, num_bad_epochs: 0, cooldown_counter: 0 });
  }

  step(metric: number): void {
    const { fields, settings } = this;
    if (this.isBetter(metric)) {
      fields.best = metric;
      fields.num_bad_epochs = 0;
    } else fields.num_bad_epochs = this.number('num_bad_epochs') + 1;
    if (this.number('cooldown_counter') > 0) {
      fields.cooldown_counter = this.number('cooldown_counter') - 1;
      fields.num_bad_epochs = 0;
    }
    if (this.number('num_bad_epochs') <= settings.patience) return;
    this.lower();
    fields.cooldown_counter = settings.cooldown;
    fields.num_bad_epochs = 0;
  }
}

const beginning = ({ reset_start }: Settings, lr: number): ScheduleState => ({
  ...{ lr, best: null, num_bad_epochs: 0, num_good_epochs: 0, cooldown_counter: 0, warmup_counter: 0 },
  ...{ reset_start, window: [], sum: 0 },
});

class Greedy extends Following {
  readonly #first: number;

  constructor(settings: Settings, rate: number) {
    super(settings, beginning(settings, rate));
    this.#first = rate;
  }

  step(metric: number): void {
    const { fields, settings } = this;
    const value = settings.smooth ? this.#mean(metric) : metric;
    const waiting = ['cooldown_counter', 'warmup_counter'].find((name) => this.number(name) > 0);
    if (waiting !== undefined) {
      fields[waiting] = this.number(waiting) - 1;
      fields.num_bad_epochs = 0;
      fields.num_good_epochs = 0;
      return;
    }
    const isBetter = this.isBetter(value);
    if (isBetter) fields.best = value;
    fields.num_good_epochs = isBetter ? this.number('num_good_epochs') + 1 : 0;
    fields.num_bad_epochs = isBetter ? 0 : this.number('num_bad_epochs') + 1;
    if (this.number('num_good_epochs') > settings.patience) {
      this.#raise();
      fields.warmup_counter = settings.warmup;
      fields.num_good_epochs = 0;
    } else if (this.number('num_bad_epochs') > settings.patience) {
      this.#reduce();
    }
  }

  #reduce(): void {
    const { settings } = this;
    this.lower();
    // At the least rate for long enough, it begins anew.
    if (this.rate <= settings.min_lr) {
      this.fields.reset_start = this.number('reset_start') - 1;
      if (this.number('reset_start') <= 0) this.fields = beginning(settings, this.#first);
    }
    this.fields.cooldown_counter = settings.cooldown;
    this.fields.num_bad_epochs = 0;
  }

  #raise(): void {
    const { factor, max_lr, eps, reset_start } = this.settings;
    const next = Math.min(this.rate / factor, max_lr);
    if (next - this.rate > eps) this.fields.lr = next;
    this.fields.reset_start = reset_start;
  }

  #mean(value: number): number {
    const window = this.fields.window as number[];
    window.push(value);
    this.fields.sum = this.number('sum') + value;
    if (window.length > this.settings.window_size) this.fields.sum -= window.shift()!;
    return (this.fields.sum as number) / window.length;
  }
}
