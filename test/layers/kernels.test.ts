/** Every kernel of the list against the reference, over every edge of its shapes. */
import { describe, expect, it } from 'vitest';
import { operandsOf, scaled } from '../../src/layers/kernel.js';
import { findKernel, KERNELS, WASM_KERNELS } from '../../src/layers/kernels.js';
import type { FusedActivation, Spec } from '../../src/layers/spec.js';
import { CONV3X3, conv3x3, DEPTHWISE, depthwise, OTHERS, operands, POINTWISE, pointwise, type Run } from './cases.js';
import { testKernel } from './suite.js';

const CASES: readonly Spec[] = [...CONV3X3, ...DEPTHWISE, ...POINTWISE, ...OTHERS];

for (const kernel of KERNELS.filter(({ engine }) => engine !== 'reference')) {
  const run: Run = (spec, given, y) => {
    const weights = given.weights.length > 0 ? kernel.pack(spec, given.weights) : given.weights;
    kernel.run(spec, { ...given, weights, y });
  };

  describe(`${kernel.op}, ${kernel.engine}, is the reference`, () => {
    testKernel(kernel, CASES, run, [3, 3]);
  });
}

// A batch norm that was folded is a factor for the weights of each output channel.
for (const { op, engine, pack } of [...KERNELS, ...WASM_KERNELS]) {
  const cases = [conv3x3(5, 5, 3, 21, 1), depthwise(5, 5, 21, 1), pointwise(3, 5, 21)].filter((spec) => spec.op === op);
  it.each(cases)(`${op}, ${engine}, packs weights times their factors`, (spec) => {
    const { weights } = operands(spec, 'reals', 8);
    const scale = Float64Array.from({ length: 21 }, (_, k) => (k + 1) / 7);
    const packed = pack(spec, weights, scale);
    expect(packed).toEqual(pack(spec, scaled(weights, scale)));
    expect(packed).not.toEqual(pack(spec, weights));
  });
}

describe('clamping', () => {
  it.each(KERNELS.filter(({ op }) => op === 'pointwise'))('$engine keeps NaN and bounds the infinities', (kernel) => {
    const x = Float32Array.of(Number.NaN, Infinity, -Infinity, 7, -7, 3);
    const clamp = (activation: FusedActivation) => {
      const y = new Float32Array(6);
      const spec = pointwise(6, 1, 1, { activation });
      const weights = kernel.pack(spec, Float32Array.of(1));
      kernel.run(spec, operandsOf({ x, weights, bias: Float32Array.of(0), y }));
      return [...y];
    };
    expect(clamp('none')).toEqual([Number.NaN, Infinity, -Infinity, 7, -7, 3]);
    expect(clamp('relu')).toEqual([Number.NaN, Infinity, 0, 7, 0, 3]);
    expect(clamp('relu6')).toEqual([Number.NaN, 6, 0, 6, 0, 3]);
  });
});

describe('findKernel', () => {
  it('takes the first engine that has one', () => {
    expect(findKernel(pointwise(4, 4, 4), ['js', 'reference']).engine).toBe('js');
    expect(findKernel(pointwise(4, 4, 4), ['reference', 'js']).engine).toBe('reference');
  });

  it('goes on to the next engine for sizes beyond the lanes', () => {
    for (const spec of [pointwise(1, 100_000, 1), depthwise(3, 3, 5000, 1), conv3x3(3, 3, 2000, 1, 1)]) {
      expect(findKernel(spec, ['js', 'reference']).engine).toBe('reference');
    }
  });

  it('names what is missing', () => {
    const spec: Spec = { op: 'activation', dtype: 'f32', size: 1, function: 'prelu' };
    expect(() => findKernel(spec, ['js', 'reference'])).toThrowError(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        message: 'no kernel activation_f32_prelu__js or activation_f32_prelu__reference',
      }),
    );
  });

  it('has a kernel of every operation in both engines', () => {
    for (const spec of CASES) {
      expect(findKernel(spec, ['reference']).engine).toBe('reference');
      expect(findKernel(spec, ['js']).engine).toBe('js');
    }
  });
});
