/** Every kernel of whole numbers against the reference, number for number, over every edge of its shapes; emitted ones in parts, too. */
import { describe, expect, it } from 'vitest';
import type { I16Addresses } from '../../src/layers/kernel-i16.js';
import { findI16Kernel, findI16WasmKernel, I16_KERNELS, I16_WASM_KERNELS } from '../../src/layers/kernels-i16.js';
import { type I16Spec, kernelName } from '../../src/layers/spec.js';
import { emitKernels } from '../../src/layers/wasm-module.js';
import { FUNCTIONS_I16, placeI16, runInPartsI16 } from './i16-bench.js';
import {
  CASES_I16,
  compareI16,
  conv3x3I16,
  depthwiseI16,
  expectedI16,
  I16_KINDS,
  type I16Run,
  madeBy,
  operandsI16,
  pointwiseI16,
  quantizeI16,
  SENTINEL,
} from './i16-cases.js';
import { OTHER_CASES_I16, poolI16, resizeI16 } from './i16-other-cases.js';
import type { Functions } from './wasm-bench.js';

/** Cases of one name differ in sizes and bounds only, and make one test. */
function testKernel(op: I16Spec['op'], engine: 'js' | 'wasm', supports: (spec: I16Spec) => boolean, run: I16Run): void {
  const byName = new Map<string, I16Spec[]>();
  for (const spec of [...CASES_I16, ...OTHER_CASES_I16].filter((one) => one.op === op && supports(one))) {
    const name = kernelName(spec, engine);
    byName.set(name, [...(byName.get(name) ?? []), spec]);
  }
  expect(byName.size).toBeGreaterThan(0);
  it.each([...byName])('%s', (_name, specs) => {
    for (const [i, spec] of specs.entries()) compareI16(run, spec, i);
  });
}

for (const kernel of I16_KERNELS.filter(({ engine }) => engine !== 'reference')) {
  describe(`${kernel.op}, ${kernel.engine}, is the reference`, () => {
    testKernel(
      kernel.op,
      'js',
      (spec) => kernel.supports(spec),
      (spec, given, y) => {
        const weights = given.weights.length > 0 ? kernel.pack(spec, given.weights) : given.weights;
        kernel.run(spec, { ...given, weights, y } as never);
      },
    );
  });
}

for (const kernel of I16_WASM_KERNELS) {
  describe(`${kernel.op}, wasm, is the reference, in one part or many`, () => {
    testKernel(kernel.op, 'wasm', (spec) => kernel.supports(spec), runInPartsI16(kernel));
  });
}

describe('bands', () => {
  it('of any height have the numbers of a whole', () => {
    const kernel = I16_WASM_KERNELS.find(({ op }) => op === 'pointwise')!;
    for (const [C, K] of [
      [13, 8],
      [8, 9],
      [6, 24],
    ]) {
      const spec = pointwiseI16(29, C, K);
      const given = operandsI16(spec, 'extreme', 6);
      const { at, y, bench } = placeI16(kernel, spec, given);
      for (let height = 1; height < 14; height++) {
        y.fill(SENTINEL);
        for (let from = 0; from < spec.pixels; from += height) {
          const band = { ...at, x: at.x + 2 * from * C, y: at.y + 2 * from * K };
          const calls = kernel.calls({ ...spec, pixels: Math.min(height, spec.pixels - from) }, band);
          for (const { name, args } of calls) FUNCTIONS_I16[name](...args);
        }
        expect(y, `bands of ${height}`).toEqual(expectedI16(spec, given));
      }
      bench.check(spec);
    }
  });
});

describe('far up in memory', () => {
  it('addresses beyond 2 GiB are no negative numbers', (context) => {
    let high: WebAssembly.Memory;
    try {
      high = new WebAssembly.Memory({ initial: 2 ** 15 + 64 }); // pages that are not touched take no room
    } catch (error) {
      context.skip(`this machine gives no memory of 2 GiB: ${(error as Error).message}`);
      return;
    }
    const module = new WebAssembly.Module(emitKernels({ elements: 'i16', shared: false, relaxed: false }));
    const functions = new WebAssembly.Instance(module, { env: { memory: high } }).exports as Functions;
    const specs: I16Spec[] = [
      pointwiseI16(40, 24, 40),
      pointwiseI16(1, 25, 41),
      { op: 'sums', dtype: 'i32', weights: 'i8', batch: 2, inChannels: 9, outChannels: 24 },
      conv3x3I16(1, 9, 9, 3, 8, 2),
      quantizeI16(1, 3, 75, 0),
      depthwiseI16(0, 9, 9, 8, 1),
      depthwiseI16(1, 9, 9, 8, 2),
      poolI16(0, 1, 7, 7, 20, 7, 7, null),
      resizeI16(3, 4, 5, 10, 9, true),
      ...OTHER_CASES_I16.filter(({ op }) => ['add', 'concat', 'requantize', 'argmax'].includes(op)).slice(-60),
    ];
    for (const spec of specs) {
      const kernel = I16_WASM_KERNELS.find(({ op }) => op === spec.op)!;
      const given = operandsI16(spec, 'usual');
      const { weights } = given;
      const packed = weights.length > 0 ? kernel.pack(spec, weights) : weights;
      // Half of x and half of y lie on either side of the border.
      for (const middle of ['x', 'y'] as const) {
        const y = madeBy(spec).fill(SENTINEL);
        const buffers = { ...given, weights: packed, zeros: new Int32Array(16), y };
        const names = Object.keys(buffers) as (keyof typeof buffers)[];
        names.sort((a, b) => Number(b === middle) - Number(a === middle));
        const at = {} as Record<keyof typeof buffers, number>;
        let end = 2 ** 31 - 4 * Math.floor(buffers[middle].byteLength / 8);
        for (const name of names) {
          const values = new Uint8Array(buffers[name].buffer, buffers[name].byteOffset, buffers[name].byteLength);
          new Uint8Array(high.buffer, end, values.length).set(values);
          at[name] = end;
          end += Math.ceil(values.length / 4) * 4 + 64;
        }
        for (const { name, args } of kernel.calls(spec, at as I16Addresses)) functions[name](...args);
        const got = new (y.constructor as Int16ArrayConstructor)(high.buffer, at.y, y.length);
        expect(got, JSON.stringify(spec)).toEqual(expectedI16(spec, given));
      }
    }
  });
});

describe('what the wasm kernels leave to js', () => {
  it('less than a vector of channels, and a stride with a dilation', () => {
    const specs = [
      depthwiseI16(0, 5, 5, 3, 1),
      depthwiseI16(0, 5, 5, 8, 2, 2),
      poolI16(0, 1, 7, 7, 3, 7, 7, 1),
      resizeI16(2, 2, 3, 4, 4, true),
      { op: 'argmax', dtype: 'i16', pixels: 4, channels: 7 } as const,
      { op: 'sums', dtype: 'i32', weights: 'i8', batch: 1, inChannels: 8, outChannels: 9 } as const,
    ];
    for (const spec of specs) {
      expect(findI16WasmKernel(spec)).toBeUndefined();
      expect(findI16Kernel(spec, ['js', 'reference']).engine).toBe('js');
    }
  });
});

describe('the cases', () => {
  it('have ties that are rounded both ways, and numbers beyond both bounds', () => {
    const seen = { up: 0, down: 0, lo: 0, hi: 0 };
    for (const spec of CASES_I16.filter((one) => one.op === 'pointwise').slice(0, 200)) {
      for (const kind of I16_KINDS) {
        const given = operandsI16(spec, kind, 3);
        const y = expectedI16(spec, given);
        const { inChannels: C, outChannels: K, lo, hi } = spec as ReturnType<typeof pointwiseI16>;
        for (const [i, value] of y.entries()) {
          const [p, k] = [Math.floor(i / K), i % K];
          let sum = given.bias[k % given.bias.length];
          for (let c = 0; c < C; c++) sum += given.x[p * C + c] * given.weights[k * C + c];
          const exact = sum * given.multiplier[k];
          if (exact - Math.floor(exact) === 0.5 && exact > lo && exact < hi) seen[value > exact ? 'up' : 'down']++;
          if (exact < lo) seen.lo++;
          if (exact > hi) seen.hi++;
        }
      }
    }
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(100);
  });
});
