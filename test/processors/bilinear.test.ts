import { expect, it } from 'vitest';
import { linearTaps } from '../../src/processors/bilinear.js';

it('lies between two neighbours, never past the last value', () => {
  const past = Math.fround(3.0000002);
  const { first, second, weight } = linearTaps(Float32Array.of(0, 0.25, 1.5, 2, past), 3);
  expect([...first]).toEqual([0, 0, 1, 2, 2]);
  expect([...second]).toEqual([1, 1, 2, 2, 2]);
  expect([...weight]).toEqual([0, 0.25, 0.5, 0, 1]);
});

it('says so where there is no position', () => {
  expect(linearTaps(Float64Array.of(Number.NaN), 3).weight[0]).toBeNaN();
});
