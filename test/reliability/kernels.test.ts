/**
 * The convolutions of every engine against a convolution in float64 that is written here and nowhere else: all
 * remainders around every tile, sums that cancel, whole numbers bit for bit, NaN and infinity, guards around y.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/layers/kernel.js';
import type { I16Operands } from '../../src/layers/kernel-i16.js';
import { KERNELS, WASM_KERNELS } from '../../src/layers/kernels.js';
import { I16_KERNELS, I16_WASM_KERNELS } from '../../src/layers/kernels-i16.js';
import { clampBounds, hasResidual, type I16Spec } from '../../src/layers/spec.js';
import { SEED } from '../helpers/seed.js';
import {
  ACTIVATIONS,
  CONV3X3,
  type Convolution,
  conv3x3,
  DEPTHWISE,
  depthwise,
  type Kind,
  operands,
  POINTWISE,
  pointwise,
  REMAINDERS,
  type Run,
  runGuarded,
} from '../layers/cases.js';
import { runInPartsI16 } from '../layers/i16-bench.js';
import {
  type ConvolutionI16,
  I16_KINDS,
  type I16Kind,
  type I16Run,
  operandsI16,
  runGuardedI16,
  storeOf,
} from '../layers/i16-cases.js';
import { FLAVOURS, runWhole } from '../layers/wasm-bench.js';
import { Ledger } from './ledger.js';

const RUNS = Number(process.env.KERNEL_RUNS ?? 100);
const ledger = new Ledger('kernels', 'npx vitest run test/reliability/kernels.test.ts');

/** What is summed for one output, in float64: every product, then bias and residual. Zeros outside are left out. */
type Terms = (output: number) => number[];

interface Numbers {
  x: ArrayLike<number>;
  weights: ArrayLike<number>;
  bias: ArrayLike<number>;
  residual?: ArrayLike<number>;
}

function termsOf(spec: Convolution | ConvolutionI16, { x, weights, bias, residual = [] }: Numbers): Terms {
  if (spec.op === 'pointwise') {
    const { pixels: P, inChannels: C, outChannels: K } = spec;
    return (at) => {
      const k = at % K;
      const p = Math.floor(at / K);
      const terms = Array.from({ length: C }, (_, c) => x[p * C + c] * weights[k * C + c]);
      terms.push(bias[spec.biasPerImage ? Math.floor(p / P) * K + k : k]);
      if (hasResidual(spec)) terms.push(residual[at]);
      return terms;
    };
  }
  const { inHeight: H, inWidth: W, outHeight: OH, outWidth: OW, stride, padTop, padLeft } = spec;
  const dilation = spec.op === 'depthwise3x3' ? spec.dilation : 1;
  const K = spec.op === 'depthwise3x3' ? spec.channels : spec.outChannels;
  return (at) => {
    const k = at % K;
    const ow = Math.floor(at / K) % OW;
    const oh = Math.floor(at / (K * OW)) % OH;
    const n = Math.floor(at / (K * OW * OH));
    const terms = [bias[k]];
    for (let r = 0; r < 3; r++) {
      for (let s = 0; s < 3; s++) {
        const h = oh * stride - padTop + r * dilation;
        const w = ow * stride - padLeft + s * dilation;
        if (h < 0 || h >= H || w < 0 || w >= W) continue;
        if (spec.op === 'depthwise3x3') terms.push(x[((n * H + h) * W + w) * K + k] * weights[k * 9 + r * 3 + s]);
        else {
          const C = spec.inChannels;
          for (let c = 0; c < C; c++) {
            // Pictures of whole numbers have their channels side by side.
            const at = spec.dtype === 'i16' ? ((n * H + h) * W + w) * C + c : ((n * C + c) * H + h) * W + w;
            terms.push(x[at] * weights[(k * C + c) * 9 + r * 3 + s]);
          }
        }
      }
    }
    return terms;
  };
}

function check(run: Run, spec: Convolution, kind: Kind, seed: number): void {
  const given = operands(spec, kind, seed);
  const got = runGuarded(run, spec, given);
  const terms = termsOf(spec, given);
  const { lo, hi } = clampBounds(spec.activation);
  for (let i = 0; i < got.length; i++) {
    const all = terms(i);
    const wanted = Math.min(
      Math.max(
        all.reduce((a, b) => a + b, 0),
        lo,
      ),
      hi,
    );
    const fail = (bound: string) => {
      throw new Error(`y[${i}] is ${got[i]}, not ${wanted}${bound}: ${kind}, seed ${seed}, ${JSON.stringify(spec)}`);
    };
    if (kind === 'whole' || kind === 'integers' || !Number.isFinite(wanted)) {
      if (!(got[i] === Math.fround(wanted) || (Number.isNaN(got[i]) && Number.isNaN(wanted)))) fail('');
      continue;
    }
    const sum = all.reduce((a, b) => a + Math.abs(b), 0);
    // Where an infinity was clamped, the sum says nothing, and the value is exact.
    const bound = Number.isFinite(sum) ? 2 * all.length * 2 ** -24 * sum + 1e-6 : 0;
    if (!(Math.abs(got[i] - wanted) <= bound)) fail(` ± ${bound}`);
  }
}

const inJavaScript =
  (kernel: Kernel): Run =>
  (spec, given, y) =>
    kernel.run(spec, { ...given, weights: kernel.pack(spec, given.weights), y });

const ENGINES: { name: string; op: string; supports: Kernel['supports']; run: Run }[] = KERNELS.map((kernel) => ({
  name: kernel.engine,
  op: kernel.op,
  supports: (spec) => kernel.supports(spec),
  run: inJavaScript(kernel),
}));
for (const [flavour, functions] of FLAVOURS) {
  const name = flavour === 'plain' ? 'wasm' : `wasm, ${flavour}`;
  for (const kernel of WASM_KERNELS) {
    const supports: Kernel['supports'] = (spec) => kernel.supports(spec);
    ENGINES.push({ name, op: kernel.op, supports, run: runWhole(kernel, functions) });
  }
}

/** Sums of whole numbers as they should be rounded, from an exact sum: to float32, times a float32, half to even, within bounds. */
function wholeNumber(sum: number, multiplier: number, { lo, hi }: ConvolutionI16): number {
  const scaled = Math.fround(Math.fround(sum) * multiplier);
  const below = Math.floor(scaled);
  const up = scaled - below > 0.5 || (scaled - below === 0.5 && below % 2 !== 0);
  return Math.min(Math.max(up ? below + 1 : below, lo), hi);
}

/** Of whole numbers nothing but the very number is right. */
function checkI16(run: I16Run, spec: ConvolutionI16, kind: I16Kind, seed: number): void {
  const given = operandsI16(spec, kind, seed);
  const got = runGuardedI16(run, spec, given);
  const channels = spec.op === 'depthwise3x3' ? spec.channels : spec.outChannels;
  const terms = termsOf(spec, given);
  for (let i = 0; i < got.length; i++) {
    const wanted = wholeNumber(
      terms(i).reduce((a, b) => a + b, 0),
      given.multiplier[i % channels],
      spec,
    );
    if (got[i] !== wanted) {
      throw new Error(`y[${i}] is ${got[i]}, not ${wanted}: ${kind}, seed ${seed}, ${JSON.stringify(spec)}`);
    }
  }
}

const KINDS: Kind[] = ['whole', 'cancelling', 'wild'];
const activation = fc.constantFrom(...ACTIVATIONS);
const stride = fc.constantFrom(1 as const, 2 as const);
const below = (max: number) => fc.integer({ min: 1, max });
const CONVOLUTIONS: Record<string, fc.Arbitrary<Convolution>> = {
  pointwise: fc
    .record({
      P: below(70),
      C: below(70),
      K: below(70),
      batch: below(3),
      per: fc.boolean(),
      add: fc.boolean(),
      activation,
    })
    .map(({ P, C, K, batch, per, add, activation }) =>
      pointwise(P, C, K, { batch, biasPerImage: per, residual: add, activation }),
    ),
  depthwise3x3: fc
    .record({
      H: below(40),
      W: below(70),
      C: below(36),
      stride,
      dilation: below(4),
      same: fc.boolean(),
      batch: below(2),
      activation,
    })
    .map(({ H, W, C, stride, dilation, same, batch, activation }) =>
      depthwise(H, W, C, stride, stride === 2 ? 1 : dilation, same, { batch, activation }),
    ),
  conv3x3: fc
    .record({
      H: below(30),
      W: below(30),
      C: below(5),
      K: below(36),
      stride,
      same: fc.boolean(),
      batch: below(2),
      activation,
    })
    .map(({ H, W, C, K, stride, same, batch, activation }) => conv3x3(H, W, C, K, stride, same, { batch, activation })),
};

describe.each(ENGINES.filter(({ op }) => op in CONVOLUTIONS))('$op, $name', ({ name, op, supports, run }) => {
  it('every remainder, whole numbers bit for bit, the rest within the bound', () => {
    let cases = 0;
    for (const [i, spec] of REMAINDERS.entries()) {
      if (spec.op !== op || !supports(spec)) continue;
      check(run, spec, 'whole', i);
      check(run, spec, KINDS[1 + (i % 2)], i);
      cases += 2;
    }
    expect(cases).toBeGreaterThan(50);
    ledger.add({ what: `Remainders of ${op}, ${name}`, tried: cases });
  });

  it("the kernels' own cases, likewise", () => {
    for (const [i, spec] of [...CONV3X3, ...DEPTHWISE, ...POINTWISE].entries()) {
      if (spec.op !== op || !supports(spec)) continue;
      check(run, spec, 'integers', i);
      check(run, spec, KINDS[1 + (i % 2)], i);
    }
  });

  it('shapes and numbers at random', () => {
    let cases = 0;
    fc.assert(
      fc.property(CONVOLUTIONS[op], fc.constantFrom(...KINDS), fc.integer(), (spec, kind, seed) => {
        if (!supports(spec)) return;
        check(run, spec, kind, seed);
        cases++;
      }),
      { numRuns: RUNS, seed: SEED },
    );
    ledger.add({ what: `Random shapes of ${op}, ${name}`, tried: cases, seed: SEED });
  });
});

/** A convolution of real numbers as one of whole ones. */
function ofWholeNumbers(spec: Convolution, i: number): ConvolutionI16 {
  const { dtype, activation, ...sizes } = spec;
  return { ...sizes, ...storeOf(i) };
}

const I16_ENGINES: { name: string; op: string; supports(spec: I16Spec): boolean; run: I16Run }[] = [
  ...I16_KERNELS.map((kernel) => ({
    ...{ name: kernel.engine, op: kernel.op, supports: (spec: I16Spec) => kernel.supports(spec) },
    run: (spec: I16Spec, given: Parameters<I16Run>[1], y: Parameters<I16Run>[2]) =>
      kernel.run(spec, { ...given, weights: kernel.pack(spec, given.weights), y } as I16Operands as never),
  })),
  ...I16_WASM_KERNELS.map((kernel) => ({
    ...{ name: kernel.engine, op: kernel.op, supports: (spec: I16Spec) => kernel.supports(spec) },
    run: runInPartsI16(kernel),
  })),
];

describe.each(I16_ENGINES.filter(({ op }) => op in CONVOLUTIONS))(
  '$op of i16, $name',
  ({ name, op, supports, run }) => {
    it('every remainder, number for number', () => {
      let cases = 0;
      for (const [i, real] of REMAINDERS.entries()) {
        const spec = ofWholeNumbers(real, i);
        if (spec.op !== op || !supports(spec)) continue;
        checkI16(run, spec, I16_KINDS[i % 3], i);
        cases++;
      }
      expect(cases).toBeGreaterThan(25);
      ledger.add({ what: `Remainders of ${op} of i16, ${name}`, tried: cases });
    });

    it("the kernels' own cases, likewise", () => {
      for (const [i, real] of [...CONV3X3, ...DEPTHWISE, ...POINTWISE].entries()) {
        const spec = ofWholeNumbers(real, i);
        if (spec.op === op && supports(spec)) checkI16(run, spec, I16_KINDS[i % 3], i);
      }
    });

    it('shapes and numbers at random', () => {
      let cases = 0;
      fc.assert(
        fc.property(
          CONVOLUTIONS[op],
          fc.constantFrom(...I16_KINDS),
          fc.integer(),
          fc.nat(100),
          (real, kind, seed, i) => {
            const spec = ofWholeNumbers(real, i);
            if (!supports(spec)) return;
            checkI16(run, spec, kind, seed);
            cases++;
          },
        ),
        { numRuns: RUNS, seed: SEED },
      );
      ledger.add({ what: `Random shapes of ${op} of i16, ${name}`, tried: cases, seed: SEED });
    });
  },
);
