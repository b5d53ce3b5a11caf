/** Operations on whole numbers that are no convolutions against XNNPACK's arithmetic. The recipe is ../goldens/whole-numbers/make.py. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Quantization } from '../../src/graph/quantization.js';
import type { I16Operands } from '../../src/layers/kernel-i16.js';
import { findI16WasmKernel, I16_KERNELS } from '../../src/layers/kernels-i16.js';
import type { I16Spec } from '../../src/layers/spec.js';
import * as whole from '../../src/runtime/compile/whole-numbers.js';
import { runInPartsI16 } from './i16-bench.js';
import { type I16Given, type I16Run, runGuardedI16 } from './i16-cases.js';

interface Case {
  op: 'add' | 'mean' | 'average_pool' | 'requantize' | 'resize' | 'argmax';
  from: Quantization;
  otherFrom?: Quantization;
  to: Quantization;
  height: number;
  width: number;
  channels: number;
  pixels: number;
  outHeight: number;
  outWidth: number;
  alignCorners: boolean;
  x: number[];
  other?: number[];
  y: number[];
}

const path = new URL('../goldens/whole-numbers/operations.json', import.meta.url);
const cases = JSON.parse(readFileSync(path, 'utf8')) as Case[];

function specOf(one: Case): I16Spec {
  const { from, to, height, width, channels, pixels, outHeight, outWidth, alignCorners } = one;
  const size = one.x.length;
  const bounds = whole.storeBounds(to);
  const picture = { dtype: 'i16', batch: 1, inHeight: height, inWidth: width, channels } as const;
  switch (one.op) {
    case 'add':
      return { op: 'add', dtype: 'i16', size, ...whole.addMultipliers(from, one.otherFrom!, to, 'sum'), ...bounds };
    case 'mean':
    case 'average_pool': {
      const rounding = whole.pooling(from, height * width, to);
      expect(rounding.multiplier === null).toBe(one.op === 'average_pool');
      return { op: 'average_pool', ...picture, kernelHeight: height, kernelWidth: width, ...rounding };
    }
    case 'requantize':
      return { op: 'requantize', dtype: 'i16', size, multiplier: whole.requantizeMultiplier(from, to), ...bounds };
    case 'resize':
      return { op: 'resize_bilinear', ...picture, outHeight, outWidth, alignCorners, min: bounds.lo };
    case 'argmax':
      return { op: 'argmax', dtype: 'i16', pixels, channels };
  }
}

const ENGINES: readonly string[] = ['reference', 'js', 'wasm'];

function runOf(engine: string, spec: I16Spec): I16Run | undefined {
  if (engine === 'wasm') {
    const kernel = findI16WasmKernel(spec);
    return kernel && runInPartsI16(kernel);
  }
  const kernel = I16_KERNELS.find((one) => one.op === spec.op && one.engine === engine)!;
  return (_spec, given, y) => kernel.run(spec, { ...given, y } as I16Operands);
}

describe.each(ENGINES)('%s', (engine) => {
  it.each(cases.map((one, n) => [n, one.op, one] as const))('%i, %s', (_n, op, one) => {
    const spec = specOf(one);
    const run = runOf(engine, spec);
    if (run === undefined) {
      expect('channels' in spec && spec.channels < 8).toBe(true); // fewer channels than a vector are left to js
      return;
    }
    const centered = (numbers: number[], { zeroPoint }: Quantization) =>
      Int16Array.from(numbers, (raw) => raw - zeroPoint);
    const given: I16Given = {
      x: centered(one.x, one.from),
      weights: new Int8Array(0),
      bias: new Int32Array(0),
      multiplier: new Float32Array(0),
      other: centered(one.other ?? [], one.otherFrom ?? one.from),
    };
    const y = runGuardedI16(run, spec, given);
    expect(y).toEqual(op === 'argmax' ? Int16Array.from(one.y) : centered(one.y, one.to));
  });
});
