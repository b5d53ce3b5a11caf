/** The tests that every kernel passes, of whichever engine it is. */
import { expect, it } from 'vitest';
import type { Kernel, WasmKernel } from '../../src/layers/kernel.js';
import { type FusedActivation, kernelName, type Spec } from '../../src/layers/spec.js';
import { compare, conv3x3, depthwise, expected, operands, pointwise, type Run, runGuarded } from './cases.js';

/**
 * Compares a kernel with the reference on those of the cases that are of its operation, and lets NaN and infinities through
 * its activations. `channels` are those of the two depthwise convolutions that the latter is tried with.
 */
export function testKernel(
  kernel: Pick<Kernel | WasmKernel, 'op' | 'engine' | 'supports'>,
  cases: readonly Spec[],
  run: Run,
  channels: readonly [stride1: number, stride2: number],
): void {
  // Cases of one name differ in sizes only, and make one test.
  const byName = new Map<string, Spec[]>();
  for (const spec of cases.filter(({ op }) => op === kernel.op)) {
    const name = kernelName(spec, kernel.engine);
    byName.set(name, [...(byName.get(name) ?? []), spec]);
  }
  it.each([...byName])('%s', (_name, specs) => {
    for (const spec of specs) {
      expect(kernel.supports(spec)).toBe(true);
      compare(run, spec);
    }
  });

  const tricky = (activation: FusedActivation): Spec[] =>
    [
      conv3x3(6, 5, 2, 3, 2, false, { activation }),
      depthwise(6, 5, channels[0], 1, 1, false, { activation }),
      depthwise(6, 5, channels[1], 2, 1, false, { activation }),
      pointwise(11, 1, 3, { activation }),
      pointwise(1, 1, 3, { activation }),
      pointwise(4, 1, 3, { activation, residual: true }),
    ].filter(({ op }) => op === kernel.op);
  if (tricky('none').length === 0) return;
  it.each(['none', 'relu', 'relu6'] as const)('NaN and infinities go through %s', (activation) => {
    for (const spec of tricky(activation)) {
      for (const value of [Number.NaN, Infinity, -Infinity]) {
        const given = operands(spec, 'integers', 3);
        given.x[Math.floor(given.x.length / 2)] = value;
        given.bias[1] = value;
        expect(runGuarded(run, spec, given)).toEqual(expected(spec, given));
      }
    }
  });
}
