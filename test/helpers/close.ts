/**
 * How far two computations of a network may be apart. Sums in another order are off by a rounding; what a deep network
 * makes of one differs from 5e-7 of its largest value to 3e-4, so it is asked: by an input that is off by as much.
 */
import { expect } from 'vitest';
import { Tensor } from '../../src/entries/main.js';
import { maxDifference } from './goldens.js';

/** Every value off by one unit in its last place, or by none. */
export function byAnUlp({ data, dims }: Tensor<'float32'>): Tensor<'float32'> {
  return new Tensor(
    'float32',
    data.map((v, i) => v * (1 + ((i % 3) - 1) * 2 ** -23)),
    dims,
  );
}

/** The largest difference is no more than a few times that of an input off by a rounding, or a few roundings. */
export function expectAsClose(actual: Tensor, shaken: Tensor, expected: Tensor): void {
  expect(actual.dims).toEqual(expected.dims);
  const [a, s, e] = [actual, shaken, expected].map(({ data }) => data as Float32Array);
  const off = maxDifference(a, e).difference;
  const byUlp = maxDifference(s, e).difference;
  const allowed = 10 * byUlp + 1e-5 * e.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  // NaN and infinity in what is expected would allow anything.
  if (!(off <= allowed && allowed < Infinity)) throw new Error(`off by ${off}, an input by an ulp makes ${byUlp}`);
}

/** Within 1e-4 of the largest expected value, or of 1 where all are smaller. */
export function expectValuesClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what?: string): void {
  let largest = 1;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
  expect(maxDifference(actual, expected).difference, what).toBeLessThanOrEqual(1e-4 * largest);
}

/** The same shape, and values as close as that. */
export function expectClose(actual: Tensor, expected: { data: ArrayLike<unknown>; dims: readonly number[] }): void {
  expect(actual.dims).toEqual([...expected.dims]);
  expectValuesClose(Array.from(actual.data, Number), Array.from(expected.data, Number));
}
