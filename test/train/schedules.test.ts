/** Schedules against transformers' get_scheduler (test/goldens/train/make.py), and the paper's, which it does not have. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ScheduleOptions, type SchedulerType, scheduleOf } from '../../src/train/schedules.js';

interface Golden {
  name: SchedulerType;
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
