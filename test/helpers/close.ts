/**
 * How far two computations of a network may be apart. Sums in another order are off by a rounding; what a deep network
 * makes of one differs from 5e-7 of its largest value to 3e-4, so it is asked: by an input that is off by as much.
 */
import { expect } from 'vitest';
import { Tensor } from '../../src/index.js';

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
  const largest = (values: Float32Array, from: (i: number) => number) =>
    values.reduce((most, v, i) => Math.max(most, Math.abs(v - from(i))), 0);
  const off = largest(a, (i) => e[i]);
  const allowed = 10 * largest(s, (i) => e[i]) + 1e-5 * largest(e, () => 0);
  if (!(off <= allowed)) throw new Error(`off by ${off}, an input by an ulp makes ${largest(s, (i) => e[i])}`);
}
