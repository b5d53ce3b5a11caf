/** Schedules against transformers' get_scheduler (test/goldens/train/make.py), and the paper's, which it does not have. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type MetricScheduleName, metricSchedule } from '../../src/train/metric-schedules.js';
import { checkScheduleOptions, type ScheduleOptions, scheduleOf } from '../../src/train/schedules.js';

interface Golden {
  name: Parameters<typeof scheduleOf>[0];
  learning_rate: number;
  warmup: number;
  steps: number;
  options: ScheduleOptions;
  factors: number[];
}
const goldens: Golden[] = JSON.parse(readFileSync(new URL('../goldens/train/schedules.json', import.meta.url), 'utf8'));

describe('a schedule is transformers’', () => {
  it.each(goldens.map((golden, i) => ({ ...golden, title: `${golden.name} ${i}` })))('$title', (golden) => {
    const { name, learning_rate, warmup, steps, options, factors } = golden;
    const schedule = scheduleOf(name, { learning_rate, warmup, steps, stepsPerEpoch: 5 }, options);
    for (const [step, factor] of factors.entries()) expect(schedule(step), `step ${step}`).toBeCloseTo(factor, 12);
    expect(new Set(factors).size).toBeGreaterThan(name === 'constant' ? 0 : 2);
  });
});

interface MetricGolden {
  name: MetricScheduleName;
  learning_rate: number;
  options: ScheduleOptions;
  metrics: number[];
  rates: number[];
}
const metricGoldens: MetricGolden[] = JSON.parse(
  readFileSync(new URL('../goldens/train/metric-schedules.json', import.meta.url), 'utf8'),
);

describe('a rate that follows a metric is PyTorch’s and transformers’, to the bit', () => {
  it.each(metricGoldens.map((golden, i) => ({ ...golden, title: `${golden.name} ${i}` })))('$title', (golden) => {
    const { name, options, metrics, rates } = golden;
    checkScheduleOptions(name, options);
    const training = { ...golden, greater_is_better: false };
    let schedule = metricSchedule(name, training, options);
    for (const [n, metric] of metrics.entries()) {
      schedule.step(metric);
      expect(schedule.rate, `evaluation ${n}`).toBe(rates[n]);
      // As a checkpoint would keep it.
      schedule = metricSchedule(name, training, options, JSON.parse(JSON.stringify(schedule.state())));
    }
    expect(new Set(rates).size).toBeGreaterThan(1);
  });

  it('looks for the greatest where greater is better', () => {
    const training = { learning_rate: 1, greater_is_better: true };
    const schedule = metricSchedule('reduce_lr_on_plateau', training, { patience: 0 });
    const rates = [0.5, 0.6, 0.7, 0.7].map((accuracy) => {
      schedule.step(accuracy);
      return schedule.rate;
    });
    expect(rates).toEqual([1, 1, 1, 0.1]);
  });

  it.each([{}, { lr: 'a' }, null, []])('refuses what is no state of it: %j', (state) => {
    const training = { learning_rate: 1, greater_is_better: false };
    expect(() => metricSchedule('greedy', training, {}, state as never)).toThrow(/schedule: expected the numbers of/);
  });

  it.each([
    ['reduce_lr_on_plateau', { warmup: 2 }, /unknown option "warmup"/],
    ['reduce_lr_on_plateau', { factor: 1 }, /factor: expected a number below 1, got 1/],
    ['reduce_lr_on_plateau', { mode: 'up' }, /mode: expected min or max/],
    ['reduce_lr_on_plateau', { threshold_mode: 1 }, /threshold_mode: expected rel or abs/],
    ['greedy', { patience: 1.5 }, /patience: expected a whole number from 0/],
    ['greedy', { smooth: 1 }, /smooth: expected true or false/],
    ['greedy', { window_size: 0 }, /window_size: expected a whole number from 1/],
  ] as const)('%s refuses %j', (name, options, message) => {
    expect(() => checkScheduleOptions(name, options as never)).toThrow(message);
  });
});

describe('exponential', () => {
  const course = { learning_rate: 0.045, warmup: 0, steps: 30, stepsPerEpoch: 10 };

  it('is the paper’s: 0.98 an epoch', () => {
    const schedule = scheduleOf('exponential', course);
    expect([0, 9, 10, 19, 20].map(schedule)).toEqual([1, 1, 0.98, 0.98, 0.98 ** 2]);
  });

  it('takes another factor and another time', () => {
    const schedule = scheduleOf('exponential', { ...course, warmup: 2 }, { gamma: 0.5, epochs: 0.5 });
    expect([0, 1, 2, 4, 5, 10].map(schedule)).toEqual([0, 0.5, 1, 1, 0.5, 0.25]);
  });
});

it.each([
  ['linear', { power: 2 }, /unknown option "power"/],
  ['cosine', { num_cycles: -1 }, /num_cycles: expected a number from 0, got -1/],
  ['cosine_with_min_lr', {}, /expected min_lr or min_lr_rate, got neither/],
  ['cosine_with_min_lr', { min_lr: 1, min_lr_rate: 1 }, /got both/],
  ['polynomial', { lr_end: 1 }, /lr_end: expected less than learning_rate, 0.01, got 1/],
  ['warmup_stable_decay', {}, /num_decay_steps/],
  ['warmup_stable_decay', { num_decay_steps: 3, decay_type: 'round' as never }, /decay_type: expected linear, cosine/],
] as const)('%s refuses %j', (name, options, message) => {
  const course = { learning_rate: 0.01, warmup: 0, steps: 10, stepsPerEpoch: 5 };
  expect(() => scheduleOf(name, course, options)).toThrow(message);
});
