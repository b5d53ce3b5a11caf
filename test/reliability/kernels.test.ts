/**
 * The convolutions of every engine against a convolution in float64 that is written here and nowhere else: all
 * remainders around every tile, sums that cancel, whole numbers bit for bit, NaN and infinity, guards around y.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Addresses, type Kernel, NONE, type WasmKernel } from '../../src/layers/kernel.js';
import { KERNELS, WASM_KERNELS } from '../../src/layers/kernels.js';
import { clampBounds, type FusedActivation } from '../../src/layers/spec.js';
import { emitKernels } from '../../src/layers/wasm-module.js';
import { SEED } from '../helpers/seed.js';
import { conv3x3, depthwise, type Operands, pointwise, type Run, runGuarded, sizes } from '../layers/cases.js';
import { Ledger } from './ledger.js';
import { randomOf } from './models.js';

const RUNS = Number(process.env.KERNEL_RUNS ?? 100);
const ledger = new Ledger('kernels', 'npx vitest run test/reliability/kernels.test.ts');

type Convolution = ReturnType<typeof pointwise> | ReturnType<typeof depthwise> | ReturnType<typeof conv3x3>;

/** What is summed for one output, in float64: every product, then bias and residual. Zeros outside are left out. */
type Terms = (output: number) => number[];

function termsOf(spec: Convolution, { x, weights, bias, residual }: Operands): Terms {
  if (spec.op === 'pointwise') {
    const { pixels: P, inChannels: C, outChannels: K } = spec;
    return (at) => {
      const k = at % K;
      const p = Math.floor(at / K);
      const terms = Array.from({ length: C }, (_, c) => x[p * C + c] * weights[k * C + c]);
      terms.push(bias[spec.biasPerImage ? Math.floor(p / P) * K + k : k]);
      if (spec.residual) terms.push(residual[at]);
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
            terms.push(x[((n * C + c) * H + h) * W + w] * weights[(k * C + c) * 9 + r * 3 + s]);
          }
        }
      }
    }
    return terms;
  };
}

/** Whole numbers whose sums are exact in float32; numbers that cancel to next to nothing; or some that are not finite. */
type Kind = 'whole' | 'cancelling' | 'wild';

function operandsOf(spec: Convolution, kind: Kind, seed: number): Operands {
  const random = randomOf(seed);
  const size = sizes(spec);
  const fill = (length: number, of: (i: number) => number) => {
    const values = new Float32Array(length + 1).subarray(1); // no vector is aligned
    for (let i = 0; i < length; i++) values[i] = of(i);
    return values;
  };
  const whole = () => Math.floor(random() * 201) - 100;
  if (kind === 'whole') {
    const [x, weights] = [fill(size.x, whole), fill(size.weights, whole)];
    return { x, weights, bias: fill(size.bias, whole), residual: fill(size.residual, whole), other: NONE };
  }
  // Neighbours of one size and of opposite signs, up to the last bits.
  const magnitude = 10 ** (random() * 6 - 3);
  const cancelling = (i: number) => (i % 2 === 0 ? 1 : -1) * magnitude * (1 + random() * 1e-6);
  const made = {
    x: fill(size.x, cancelling),
    weights: fill(size.weights, () => 1 + random() * 1e-6),
    bias: fill(size.bias, () => random() - 0.5),
    residual: fill(size.residual, () => random() - 0.5),
    other: NONE,
  };
  if (kind === 'wild') {
    const values = [Number.NaN, Infinity, -Infinity];
    for (const operand of [made.x, made.bias, made.residual]) {
      if (operand.length > 0) operand[Math.floor(random() * operand.length)] = values[Math.floor(random() * 3)];
    }
  }
  return made;
}

function check(run: Run, spec: Convolution, kind: Kind, seed: number): void {
  const given = operandsOf(spec, kind, seed);
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
    if (kind === 'whole' || !Number.isFinite(wanted)) {
      if (!(got[i] === Math.fround(wanted) || (Number.isNaN(got[i]) && Number.isNaN(wanted)))) fail('');
      continue;
    }
    const sum = all.reduce((a, b) => a + Math.abs(b), 0);
    // Where an infinity was clamped, the sum says nothing, and the value is exact.
    const bound = Number.isFinite(sum) ? 2 * all.length * 2 ** -24 * sum + 1e-6 : 0;
    if (!(Math.abs(got[i] - wanted) <= bound)) fail(` ± ${bound}`);
  }
}

const memory = new WebAssembly.Memory({ initial: 256 });
const GUARD = 0x7fabcdef; // a NaN that no arithmetic makes
const GUARD_WORDS = 40;

/** Runs emitted code in a memory where every buffer lies between guards, none of them aligned. */
function inWasm(kernel: WasmKernel, functions: Record<string, (...args: number[]) => void>): Run {
  const bits = new Uint32Array(memory.buffer);
  const floats = new Float32Array(memory.buffer);
  return (spec, { x, weights, bias, residual }, y) => {
    let end = 1;
    const guards: number[] = [];
    const at: Record<string, number> = {};
    const place = (name: string, values: Float32Array) => {
      bits.fill(GUARD, end, end + GUARD_WORDS);
      guards.push(end);
      end += GUARD_WORDS;
      at[name] = 4 * end;
      floats.set(values, end);
      end += values.length;
    };
    place('x', x);
    place('weights', kernel.pack(spec, weights));
    place('bias', bias);
    place('residual', residual);
    place('zeros', new Float32Array(16));
    place('y', new Float32Array(y.length).fill(12345.5));
    bits.fill(GUARD, end, end + GUARD_WORDS);
    guards.push(end);
    for (const { name, args } of kernel.calls(spec, at as unknown as Addresses)) functions[name](...args);
    for (const guard of guards) {
      for (let i = guard; i < guard + GUARD_WORDS; i++) {
        if (bits[i] !== GUARD) throw new Error(`wrote outside a buffer: ${JSON.stringify(spec)}`);
      }
    }
    y.set(floats.subarray(at.y / 4, at.y / 4 + y.length));
  };
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
for (const relaxed of [false, true]) {
  const bytes = emitKernels({ shared: false, relaxed });
  if (!WebAssembly.validate(bytes)) {
    console.log(`relaxed SIMD is left out: ${process.version} does not take it`);
    continue;
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  for (const kernel of WASM_KERNELS) {
    const run = inWasm(kernel, exports as never);
    const supports = (spec: Parameters<Kernel['supports']>[0]) => kernel.supports(spec);
    ENGINES.push({ name: relaxed ? 'wasm, relaxed' : 'wasm', op: kernel.op, supports, run });
  }
}

const ACTIVATIONS: FusedActivation[] = ['none', 'relu', 'relu6'];
const KINDS: Kind[] = ['whole', 'cancelling', 'wild'];
const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

/** Every remainder of every dimension around the largest tile there is: 16 channels, 12 pixels, sums in fours. */
const REMAINDERS: Convolution[] = [
  ...upTo(33).flatMap((K) => upTo(13).flatMap((P) => [1, 2, 3, 4, 5, 8, 9].map((C) => pointwise(P, C, K)))),
  ...upTo(33).flatMap((size) =>
    ([1, 2] as const).flatMap((stride) => [
      depthwise(size, 34 - size, 5, stride),
      depthwise(3, size, 8, stride, 1, true),
    ]),
  ),
  ...upTo(33).flatMap((C) => ([1, 2] as const).map((stride) => depthwise(4, 5, C, stride))),
  ...upTo(33).flatMap((K) =>
    ([1, 2] as const).flatMap((stride) => [conv3x3(5, 6, 3, K, stride), conv3x3(6, 3, 1, K, stride, true)]),
  ),
  ...upTo(33).map((size) => conv3x3(size, 34 - size, 3, 8, 2, true)),
];

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
    for (const [i, plain] of REMAINDERS.entries()) {
      const spec = { ...plain, activation: ACTIVATIONS[i % 3] };
      if (spec.op !== op || !supports(spec)) continue;
      check(run, spec, 'whole', i);
      check(run, spec, KINDS[1 + (i % 2)], i);
      cases += 2;
    }
    expect(cases).toBeGreaterThan(50);
    ledger.add({ what: `Remainders of ${op}, ${name}`, tried: cases });
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
