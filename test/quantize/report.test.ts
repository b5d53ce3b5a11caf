/** How near two networks are, against numbers worked out by hand. */
import { expect, it } from 'vitest';
import { Comparison } from '../../src/quantize/report.js';
import { Tensor } from '../../src/tensor/tensor.js';

const tensor = (values: number[], dims: number[]) => new Tensor('float32', Float32Array.from(values), dims);
const of = (out: Tensor<'float32'>, layer = tensor([0, 0], [1, 2])) => new Map(Object.entries({ layer, out }));

it('classes, errors and their order', () => {
  const comparison = new Comparison('out', true);
  // Class 2 becomes 1; class 0 stays, and is the first number after the first picture's.
  comparison.add(of(tensor([1, 2, 3, 9, 0, 0], [2, 3])), of(tensor([1, 5, 3, 9, 0, 1], [2, 3])));
  const report = comparison.report(7);
  expect(report).toMatchObject({ pictures: 7, compared: 2, agreement: 0.5 });
  expect(report.error).toBeCloseTo(Math.sqrt(10 / (95 - 15 ** 2 / 6)), 12);
  expect(report.layers).toEqual([
    { name: 'out', error: Math.sqrt(10 / 95) },
    { name: 'layer', error: 0 },
  ]);
  comparison.add(of(tensor([0, 0, 4], [1, 3])), of(tensor([0, 1, 4], [1, 3])));
  expect(comparison.report(8)).toMatchObject({ pictures: 8, compared: 3, agreement: 2 / 3 });
});

it('of a map every pixel counts', () => {
  const comparison = new Comparison('out', true);
  const wanted = tensor([1, 0, 0, 1, 0, 1, 1, 0], [1, 2, 2, 2]);
  comparison.add(of(wanted), of(tensor([1, 0, 0, 1, 0, 1, 1, 2], [1, 2, 2, 2])));
  expect(comparison.report(1)).toMatchObject({ compared: 1, agreement: 0.75 });
});

it('without classes nothing can agree, and a layer that should be zeros and is not has no bound', () => {
  const comparison = new Comparison('out', false);
  comparison.add(of(tensor([1, 2], [1, 2])), of(tensor([1, 2], [1, 2]), tensor([0, 1], [1, 2])));
  const report = comparison.report(1);
  expect(report).toMatchObject({ agreement: null, error: 0 });
  expect(report.layers[0]).toMatchObject({ name: 'layer', error: expect.any(Number) });
  expect(report.layers[0].error).toBeGreaterThan(1e100);
});
