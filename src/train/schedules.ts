/**
 * Learning rates over a training, as factors of `learning_rate`. They are transformers' (optimization.py, `get_scheduler`), to
 * the last bit but for powers and cosines; `exponential` is the paper's, which transformers does not have.
 */
import { expected, MobileNetError } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import {
  checkMetricOption,
  followsMetric,
  METRIC_SCHEDULES,
  type MetricScheduleName,
  type MetricScheduleOptions,
} from './metric-schedules.js';

/** What `lr_scheduler_kwargs` may hold; which of them a schedule takes, `SCHEDULES` says. */
export interface ScheduleOptions extends MetricScheduleOptions {
  /** Of the cosines: waves, or restarts. */
  num_cycles?: number;
  /** Of `cosine_with_min_lr` and its sister: the rate at the end; of those that follow a metric, the least. */
  min_lr?: number;
  /** The same as a part of `learning_rate`. */
  min_lr_rate?: number;
  /** Of `cosine_warmup_with_min_lr`: the rate at the start, as a part of `learning_rate`. */
  warmup_lr_rate?: number;
  /** Of `polynomial`: the rate at the end. Default 1e-7. */
  lr_end?: number;
  /** Of `polynomial`. Default 1. */
  power?: number;
  /** Of `inverse_sqrt`, in steps. */
  timescale?: number;
  /** Of `warmup_stable_decay`: steps at the whole rate; what warm-up and decay leave, unless given. */
  num_stable_steps?: number;
  /** Of `warmup_stable_decay`: steps of the decay. */
  num_decay_steps?: number;
  /** Of `warmup_stable_decay`. */
  warmup_type?: Shape;
  /** Of `warmup_stable_decay`. Default `cosine`. */
  decay_type?: Shape;
  /** Of `warmup_stable_decay`: the least rate, as a part of `learning_rate`. */
  min_lr_ratio?: number;
  /** Of `exponential`: what the rate is multiplied by. Default 0.98. */
  gamma?: number;
  /** Of `exponential`: epochs from one multiplication to the next. Default 1. */
  epochs?: number;
}

type Shape = 'linear' | 'cosine' | '1-sqrt';

/** The training that a schedule is for. */
export interface Course {
  learning_rate: number;
  /** Steps of the warm-up. */
  warmup: number;
  /** Steps of the whole training. */
  steps: number;
  stepsPerEpoch: number;
}

/** The factor of a step; the first is 0. */
export type Schedule = (step: number) => number;

interface Kind {
  takes: readonly (keyof ScheduleOptions)[];
  /** @throws MobileNetError ARG for options that cannot be */
  of(course: Course, options: ScheduleOptions): Schedule;
}

const { PI, ceil, cos, floor, max, sqrt } = Math;

const warmedUp =
  (warmup: number, then: Schedule): Schedule =>
  (step) =>
    step < warmup ? step / max(1, warmup) : then(step);

/** How much of what follows the warm-up is done. */
const progressOf = ({ warmup, steps }: Course, step: number) => (step - warmup) / max(1, steps - warmup);

const wave = (cycles: number, progress: number) => 0.5 * (1 + cos(PI * cycles * 2 * progress));

function leastRate({ learning_rate }: Course, { min_lr, min_lr_rate }: ScheduleOptions): number {
  if ((min_lr === undefined) === (min_lr_rate === undefined)) {
    const got = min_lr === undefined ? 'neither' : 'both';
    throw new MobileNetError('ARG', `lr_scheduler_kwargs: expected min_lr or min_lr_rate, got ${got}`);
  }
  return min_lr === undefined ? min_lr_rate! : min_lr / learning_rate;
}

const constant: Kind = { takes: [], of: () => () => 1 };
const constantWithWarmup: Kind = { takes: [], of: ({ warmup }) => warmedUp(warmup, () => 1) };
const linear: Kind = {
  takes: [],
  of: ({ warmup, steps }) => warmedUp(warmup, (step) => max(0, (steps - step) / max(1, steps - warmup))),
};
const cosine: Kind = {
  takes: ['num_cycles'],
  of: (course, { num_cycles = 0.5 }) =>
    warmedUp(course.warmup, (step) => max(0, wave(num_cycles, progressOf(course, step)))),
};
const cosineWithRestarts: Kind = {
  takes: ['num_cycles'],
  of: (course, { num_cycles = 1 }) =>
    warmedUp(course.warmup, (step) => {
      const progress = progressOf(course, step);
      return progress >= 1 ? 0 : max(0, 0.5 * (1 + cos(PI * ((num_cycles * progress) % 1))));
    }),
};
const cosineWithMinLr: Kind = {
  takes: ['num_cycles', 'min_lr', 'min_lr_rate'],
  of(course, options) {
    const least = leastRate(course, options);
    const { num_cycles = 0.5 } = options;
    return warmedUp(course.warmup, (step) => max(0, wave(num_cycles, progressOf(course, step)) * (1 - least) + least));
  },
};
const cosineWarmupWithMinLr: Kind = {
  takes: ['num_cycles', 'min_lr', 'min_lr_rate', 'warmup_lr_rate'],
  of(course, options) {
    const least = leastRate(course, options);
    const { num_cycles = 0.5, warmup_lr_rate: first } = options;
    const { warmup, steps } = course;
    return (step) => {
      if (step < warmup)
        return first === undefined ? (step + 1) / max(1, warmup) : first + ((1 - first) * step) / max(1, warmup - 1);
      return max(0, wave(num_cycles, (step - warmup + 1) / max(1, steps - warmup)) * (1 - least) + least);
    };
  },
};
const polynomial: Kind = {
  takes: ['lr_end', 'power'],
  of({ learning_rate, warmup, steps }, { lr_end = 1e-7, power = 1 }) {
    if (!(learning_rate > lr_end)) throw expected('lr_end', `less than learning_rate, ${learning_rate}`, lr_end);
    return warmedUp(warmup, (step) => {
      if (step > steps) return lr_end / learning_rate;
      const left = 1 - (step - warmup) / (steps - warmup);
      return ((learning_rate - lr_end) * left ** power + lr_end) / learning_rate;
    });
  },
};
const inverseSqrt: Kind = {
  takes: ['timescale'],
  of: ({ warmup }, { timescale = warmup || 10_000 }) =>
    warmedUp(warmup, (step) => 1 / sqrt((step + timescale - warmup) / timescale)),
};

const SHAPES: Record<Shape, (progress: number, cycles: number) => number> = {
  linear: (progress) => 1 - progress,
  cosine: (progress, cycles) => wave(cycles, progress),
  '1-sqrt': (progress) => 1 - sqrt(progress),
};
/** The same shapes going up. */
const RISES: Record<Shape, (progress: number) => number> = {
  linear: (progress) => progress,
  cosine: (progress) => 0.5 * (1 - cos(PI * progress)),
  '1-sqrt': (progress) => 1 - sqrt(1 - progress),
};

const warmupStableDecay: Kind = {
  takes: [
    ...(['num_stable_steps', 'num_decay_steps', 'warmup_type', 'decay_type'] as const),
    ...(['min_lr_ratio', 'num_cycles'] as const),
  ],
  of({ warmup, steps }, options) {
    const { num_decay_steps: decay, warmup_type = 'linear', decay_type = 'cosine' } = options;
    const { min_lr_ratio: least = 0, num_cycles = 0.5 } = options;
    if (decay === undefined) throw expected('lr_scheduler_kwargs.num_decay_steps', 'a number of steps', decay);
    for (const [name, shape] of Object.entries({ warmup_type, decay_type })) {
      if (!Object.hasOwn(SHAPES, shape))
        throw expected(`lr_scheduler_kwargs.${name}`, Object.keys(SHAPES).join(', '), shape);
    }
    const { num_stable_steps: stable = steps - warmup - decay } = options;
    const raised = (factor: number) => max(0, factor * (1 - least) + least);
    return (step) => {
      if (step < warmup) return raised(RISES[warmup_type](step / max(1, warmup)));
      if (step < warmup + stable) return 1;
      const progress = (step - warmup - stable) / max(1, decay);
      return step < warmup + stable + decay ? raised(SHAPES[decay_type](progress, num_cycles)) : least;
    };
  },
};

/** Section 6.1 of the paper: "initial learning rate of 0.045, and learning rate decay rate of 0.98 per epoch". */
const exponential: Kind = {
  takes: ['gamma', 'epochs'],
  of: ({ warmup, stepsPerEpoch }, { gamma = 0.98, epochs = 1 }) => {
    const every = max(1, ceil(epochs * stepsPerEpoch));
    return warmedUp(warmup, (step) => gamma ** floor(step / every));
  },
};

export const SCHEDULES = {
  linear,
  cosine,
  cosine_with_restarts: cosineWithRestarts,
  polynomial,
  constant,
  constant_with_warmup: constantWithWarmup,
  inverse_sqrt: inverseSqrt,
  cosine_with_min_lr: cosineWithMinLr,
  cosine_warmup_with_min_lr: cosineWarmupWithMinLr,
  warmup_stable_decay: warmupStableDecay,
  exponential,
} as const satisfies Record<string, Kind>;

/** Those that steps alone decide. */
type StepScheduleName = keyof typeof SCHEDULES;
/** transformers' names, and `exponential`. */
export type SchedulerType = StepScheduleName | MetricScheduleName;

/** @throws MobileNetError ARG for options that the schedule does not take, or that cannot be */
export function scheduleOf(type: StepScheduleName, course: Course, options: ScheduleOptions = {}): Schedule {
  const kind: Kind = SCHEDULES[type];
  checkScheduleOptions(type, options);
  return kind.of(course, options);
}

/**
 * The options that are given.
 * @throws MobileNetError ARG for an option that the schedule does not take, and for a value of another type
 */
export function checkScheduleOptions(type: SchedulerType, options: ScheduleOptions): ScheduleOptions {
  const takes = followsMetric(type) ? ['mode', ...Object.keys(METRIC_SCHEDULES[type])] : SCHEDULES[type].takes;
  checkOptions(options, takes, `lr_scheduler_kwargs of ${type}`);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const check = followsMetric(type) ? checkMetricOption : checkStepOption;
  for (const [name, value] of given) check(name, value);
  return Object.fromEntries(given);
}

function checkStepOption(name: string, value: unknown): void {
  const isShape = name === 'warmup_type' || name === 'decay_type';
  const fits = isShape ? typeof value === 'string' : Number.isFinite(value) && (value as number) >= 0;
  if (!fits) throw expected(`lr_scheduler_kwargs.${name}`, isShape ? 'a shape' : 'a number from 0', value);
}
