/**
 * Kernels of whole numbers against LiteRT: what XNNPACK gives for small convolutions of uint8 and int8, and for sums that are
 * rounded. A few cases are committed (../goldens/quantized, with their recipe), all are in `../shared`.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { I16Operands } from '../../src/layers/kernel-i16.js';
import { I16_KERNELS, I16_WASM_KERNELS } from '../../src/layers/kernels-i16.js';
import { MAGIC, requantize } from '../../src/layers/requantize.js';
import { type Golden, readGoldens } from '../helpers/goldens.js';
import { sharedFile } from '../helpers/shared.js';
import { runInPartsI16 } from './i16-bench.js';
import { type ConvolutionI16, type I16Given, type I16Run, pointwiseI16, runGuardedI16 } from './i16-cases.js';

interface Case {
  op: 'conv' | 'dw';
  type: 'i8' | 'u8';
  H: number;
  W: number;
  C: number;
  K: number;
  /** 1 or 3. */
  k: number;
  stride: 1 | 2;
  dilation: number;
  padding: 'SAME' | 'VALID';
  activation: 'none' | 'relu' | 'relu6';
  /** Scales and zero points of x and of the output, zero point of the weights. */
  sx: number;
  zx: number;
  so: number;
  zo: number;
  zw: number;
}

const f32 = Math.fround;

/** The bounds of the output, centered. */
function boundsOf({ type, activation, so, zo }: Case): { lo: number; hi: number } {
  const least = type === 'u8' ? 0 : -128;
  const six = zo + Math.floor(f32(6 / f32(so)) + 0.5);
  const lo = activation === 'none' ? least : Math.max(least, zo);
  const hi = activation === 'relu6' ? Math.min(least + 255, six) : least + 255;
  return { lo: lo - zo, hi: hi - zo };
}

function specOf(given: Case, weights: 'i8' | 'i16'): ConvolutionI16 {
  const { op, H, W, C, K, k, stride, dilation, padding } = given;
  const store = { dtype: 'i16', weights, ...boundsOf(given) } as const;
  if (k === 1) return { ...pointwiseI16(H * W, C, K), ...store };
  const reach = (k - 1) * dilation + 1;
  const out = (size: number) =>
    padding === 'SAME' ? Math.ceil(size / stride) : Math.floor((size - reach) / stride) + 1;
  const before = (size: number) => Math.max(0, Math.floor(((out(size) - 1) * stride + reach - size) / 2));
  const padTop = padding === 'SAME' ? before(H) : 0;
  const padLeft = padding === 'SAME' ? before(W) : 0;
  const sizes = { batch: 1, inHeight: H, inWidth: W, outHeight: out(H), outWidth: out(W), stride, padTop, padLeft };
  if (op === 'conv') return { op: 'conv3x3', ...sizes, ...store, inChannels: C, outChannels: K };
  return { op: 'depthwise3x3', ...sizes, ...store, channels: C, dilation };
}

/** TFLite's [K,3,3,C], or [1,3,3,C] of depthwise convolutions, as [K,C,3,3] or [C,1,3,3]. */
function channelsFirst(weights: number[], { op, C, K, k }: Case): number[] {
  const taps = k * k;
  if (op === 'dw') return weights.map((_, i) => weights[(i % taps) * C + Math.floor(i / taps)]);
  return Array.from({ length: K * C * taps }, (_, i) => {
    const [channel, c, tap] = [Math.floor(i / (C * taps)), Math.floor(i / taps) % C, i % taps];
    return weights[(channel * taps + tap) * C + c];
  });
}

function givenOf(goldens: Map<string, Golden>, n: number, one: Case): { given: I16Given; y: Int16Array } {
  const numbers = (name: string) => Array.from(goldens.get(`${n}.${name}`)!.data as ArrayLike<number>);
  const scales = numbers('sw');
  const weights = channelsFirst(
    numbers('w').map((w) => w - one.zw),
    one,
  );
  const multiplier = Float32Array.from({ length: one.K }, (_, i) =>
    f32(f32(f32(one.sx) * (scales[i] ?? scales[0])) / f32(one.so)),
  );
  return {
    given: {
      x: Int16Array.from(numbers('x'), (x) => x - one.zx),
      weights: Int16Array.from(weights),
      bias: Int32Array.from(numbers('b')),
      multiplier,
      other: new Int16Array(0),
    },
    y: Int16Array.from(numbers('xnn'), (y) => y - one.zo),
  };
}

const ENGINES: { name: string; op: string; run: I16Run; supports(spec: ConvolutionI16): boolean }[] = [
  ...I16_KERNELS.map((kernel) => {
    const run: I16Run = (spec, given, y) =>
      kernel.run(spec, { ...given, weights: kernel.pack(spec, given.weights), y } as I16Operands);
    return { name: kernel.engine, op: kernel.op, run, supports: (spec: ConvolutionI16) => kernel.supports(spec) };
  }),
  ...I16_WASM_KERNELS.map((kernel) => {
    const supports = (spec: ConvolutionI16) => kernel.supports(spec);
    return { name: kernel.engine, op: kernel.op, run: runInPartsI16(kernel), supports };
  }),
];

const here = (name: string) => new URL(`../goldens/quantized/${name}`, import.meta.url).pathname;
const SETS: [where: string, path: (name: string) => string | undefined, least: number][] = [
  ['those committed', here, 8],
  ['all', (name) => sharedFile(`goldens/quantized/${name}`), 30],
];

describe.each(SETS)('convolutions as XNNPACK has them: %s', (_where, path, least) => {
  const [tensors, list] = [path('cases.safetensors'), path('cases.json')];
  if (tensors === undefined || list === undefined) {
    console.log('skipped: all the convolutions of ../shared/goldens/quantized, which is absent');
    it.skip('are in ../shared, which is absent', () => {});
    return;
  }
  const goldens = readGoldens(tensors);
  const cases = JSON.parse(readFileSync(list, 'utf8')) as Case[];

  it('are as many as there should be', () => expect(cases.length).toBeGreaterThanOrEqual(least));

  it.each(cases.map((one, n) => [n, `${one.op} ${one.type} ${one.H}×${one.W}×${one.C}→${one.K}`, one] as const))(
    '%i, %s',
    (n, _name, one) => {
      const { given, y } = givenOf(goldens, n, one);
      const fits = given.weights.every((w) => w >= -128 && w <= 127);
      for (const weights of fits ? (['i8', 'i16'] as const) : (['i16'] as const)) {
        const spec = specOf(one, weights);
        const own = { ...given, weights: weights === 'i8' ? Int8Array.from(given.weights) : given.weights };
        const engines = ENGINES.filter(({ op, supports }) => op === spec.op && supports(spec));
        expect(engines.map(({ name }) => name)).toEqual(expect.arrayContaining(['reference', 'js']));
        for (const { name, run } of engines) expect(runGuardedI16(run, spec, own), name).toEqual(y);
      }
    },
  );
});

describe('sums as they are rounded', () => {
  const path = sharedFile('goldens/quantized/requant.json');
  it.skipIf(path === undefined)('1,500 of them as XNNPACK has them', () => {
    const { rows } = JSON.parse(readFileSync(path!, 'utf8')) as { rows: number[][] };
    expect(rows.length).toBe(1500);
    const bounds = [-32767, 32767] as const;
    const wanted = rows.map((row) => Math.min(Math.max(row[6], bounds[0]), bounds[1]));
    const got = rows.map(([sum, multiplier]) => requantize(sum, f32(multiplier), ...bounds));
    expect(got).toEqual(wanted);

    // And by all kernels: every row is a channel, the sum its bias.
    const spec = pointwiseI16(1, 1, rows.length, { lo: bounds[0], hi: bounds[1], weights: 'i8' });
    const given = {
      x: Int16Array.of(0),
      weights: new Int8Array(rows.length),
      bias: Int32Array.from(rows, ([sum]) => sum),
      multiplier: Float32Array.from(rows, ([, multiplier]) => multiplier),
      other: new Int16Array(0),
    };
    for (const { name, run } of ENGINES.filter(({ op }) => op === 'pointwise')) {
      expect([...runGuardedI16(run, spec, given)], name).toEqual(wanted);
    }
  });

  it('ties go to the even number, and no size of a sum is too large', () => {
    const round = (sum: number, multiplier: number) => requantize(sum, f32(multiplier), -32767, 32767);
    expect([-5, -3, -1, 1, 3, 5].map((sum) => round(sum, 0.5))).toEqual([-2, -2, 0, 0, 2, 2]);
    expect(round(2 ** 31 - 1, 1e30)).toBe(32767);
    expect(round(-(2 ** 31), 1e30)).toBe(-32767);
    expect(round(300_000_000, 1e-6)).toBe(300);
    expect(MAGIC).toBe(1.5 * 2 ** 23);
  });
});
