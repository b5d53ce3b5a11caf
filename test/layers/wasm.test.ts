/**
 * Every emitted kernel against the reference, over every edge of its shapes, in a WebAssembly.Memory with guards around
 * every buffer; and the same bits however a call is split between threads.
 */
import { describe, expect, it } from 'vitest';
import { depthwiseWasm } from '../../src/layers/depthwise/wasm.js';
import type { Addresses, WasmKernel } from '../../src/layers/kernel.js';
import { findKernel, findWasmKernel, WASM_KERNELS } from '../../src/layers/kernels.js';
import type { DepthwiseSpec, Spec } from '../../src/layers/spec.js';
import { emitKernels } from '../../src/layers/wasm-module.js';
import {
  CONV3X3,
  conv3x3,
  DEPTHWISE,
  depthwise,
  expected,
  type Operands,
  OTHERS,
  operands,
  POINTWISE,
  pointwise,
  runGuarded,
  sizes,
} from './cases.js';
import { testKernel } from './suite.js';
import { cuts, FLAVOURS, type Functions, memory, place, runInParts, runPart, ZEROS } from './wasm-bench.js';

/** Fewer than four channels of these are left to js, so the cases have four more. */
const wide = (spec: Spec): Spec =>
  'channels' in spec && spec.channels < 4 ? { ...spec, channels: spec.channels + 4 } : spec;

const pool = (batch: number, inHeight: number, inWidth: number, channels: number, R = inHeight, S = inWidth): Spec => ({
  ...{ op: 'average_pool', dtype: 'f32', batch, inHeight, inWidth, channels },
  ...{ kernelHeight: R, kernelWidth: S },
});
const resize = (H: number, W: number, C: number, OH: number, OW: number, alignCorners: boolean): Spec => ({
  ...{ op: 'resize_bilinear', dtype: 'f32', batch: 2, inHeight: H, inWidth: W, channels: C },
  ...{ outHeight: OH, outWidth: OW, alignCorners },
});

/** In float64 rounded once, or one operation: the same bits as in JavaScript. */
const EXACT: readonly Spec[] = [
  ...OTHERS.filter(({ op }) => ['average_pool', 'resize_bilinear', 'add', 'concat'].includes(op)).map(wide),
  ...[4, 5, 15, 16, 17, 31, 33, 320].map((C) => pool(1, 7, 7, C)),
  ...[1, 2, 3].flatMap((R) => [1, 2, 5].map((S) => pool(2, 3, 5, 6, R, S))),
  ...[false, true].flatMap((alignCorners) => [
    ...[4, 5, 8, 21].map((C) => resize(3, 4, C, 10, 9, alignCorners)),
    ...[1, 2, 7].flatMap((H) => [1, 3].flatMap((OH) => [1, 4].map((OW) => resize(H, 3, 4, OH, OW, alignCorners)))),
    resize(33, 1, 4, 65, 33, alignCorners),
  ]),
  ...Array.from({ length: 19 }, (_, size): Spec => ({ op: 'add', dtype: 'f32', size })),
  ...[1, 3, 4, 9].flatMap((channels1) =>
    [1, 4, 5, 8].map((channels2): Spec => ({ op: 'concat', dtype: 'f32', pixels: 7, channels1, channels2 })),
  ),
];

/** Paddings and outputs that no network asks for: none, uneven, and outputs cut short or far outside the picture. */
const ODD_BORDERS: readonly Spec[] = [1, 2, 3, 4, 7].flatMap((inWidth) =>
  [0, 1, 2].flatMap((padLeft) =>
    [1, 2, 4, 9].flatMap((outWidth) =>
      (
        [
          [1, 1],
          [2, 1],
          [1, 2],
          [1, 3],
        ] as const
      )
        .filter(([, dilation]) => padLeft <= dilation)
        .map(([stride, dilation]) =>
          depthwise(5, inWidth, 4, stride, dilation, false, { padTop: 2 - padLeft, padLeft, outHeight: 3, outWidth }),
        ),
    ),
  ),
);

const CASES: readonly Spec[] = [
  ...CONV3X3,
  ...ODD_BORDERS,
  // Rows that are done in strips.
  ...[64, 65, 129, 131].flatMap((W) => [1, 2, 4].map((dilation) => depthwise(5, W, 4, 1, dilation))),
  ...[127, 128, 129, 131].flatMap((W) => [false, true].map((same) => depthwise(5, W, 4, 2, 1, same))),
  depthwise(3, 20, 4, 1, 1, false, { outWidth: 140 }),
  depthwise(3, 20, 4, 2, 1, false, { outWidth: 70 }),
  ...DEPTHWISE.filter(({ stride, dilation }) => stride === 1 || dilation === 1).map(wide),
  ...POINTWISE,
  ...[15, 16, 17, 31, 32, 33].map((P) => pointwise(P, 300, 40, { residual: true })),
  ...EXACT,
];

for (const [flavour, functions] of FLAVOURS) {
  for (const kernel of WASM_KERNELS) {
    const run = runInParts(kernel, functions);

    describe(`${kernel.op}, wasm, ${flavour}, is the reference, in one part or many`, () => {
      testKernel(kernel, CASES, run, [6, 5]);

      const exact = EXACT.filter(({ op }) => op === kernel.op);
      if (exact.length > 0) {
        it('has the bits of the js engine', () => {
          for (const spec of exact) {
            const given = operands(spec, 'reals', 4);
            const js = findKernel(spec, ['js']);
            const wanted = new Float32Array(sizes(spec).y);
            js.run(spec, { ...given, y: wanted });
            expect(runGuarded(run, spec, given), JSON.stringify(spec)).toEqual(wanted);
          }
        });
      }
    });
  }

  it(`pointwise, ${flavour}, has the same bits in bands of any height`, () => {
    const kernel = WASM_KERNELS.find(({ op }) => op === 'pointwise')!;
    for (const outChannels of [8, 16, 24, 28]) {
      const spec = pointwise(29, 13, outChannels, { residual: true, activation: 'relu6' });
      const { at, y, bench } = place(kernel, spec, operands(spec, 'reals', 6));
      const run = (pixels: number, first: number) => {
        const x = at.x + 4 * first * spec.inChannels;
        const offset = 4 * first * outChannels;
        const band = { ...at, x, y: at.y + offset, residual: at.residual + offset };
        for (const { name, args } of kernel.calls({ ...spec, pixels }, band)) functions[name](...args);
      };
      run(spec.pixels, 0);
      const whole = y.slice();
      for (let height = 1; height < 14; height++) {
        y.fill(Number.NaN);
        for (let from = 0; from < spec.pixels; from += height) run(Math.min(height, spec.pixels - from), from);
        expect(y, `bands of ${height}`).toEqual(whole);
      }
      bench.check(spec);
    }
  });

  describe(`depthwise on a ring of rows, ${flavour}`, () => {
    const wasm: WasmKernel = depthwiseWasm;

    /** Computes `spec` in bands of output rows, from a buffer that never holds more than `held` rows of x. */
    const inBands = (spec: DepthwiseSpec, given: Operands, bandRows: number, held: number): Float32Array => {
      const rowSize = spec.inWidth * spec.channels;
      const ring = { ...given, x: new Float32Array(held * rowSize).fill(Number.NaN) };
      const { bench, at, y } = place(wasm, spec, ring);
      const x = new Float32Array(memory.buffer, at.x, held * rowSize);
      let filled = 0;
      for (let from = 0; from < spec.outHeight; from += bandRows) {
        const outHeight = Math.min(bandRows, spec.outHeight - from);
        const padTop = spec.padTop - from * spec.stride;
        const seen = (outHeight - 1) * spec.stride - padTop + 2 * spec.dilation + 1;
        for (; filled < Math.min(seen, spec.inHeight); filled++) {
          x.set(given.x.subarray(filled * rowSize, (filled + 1) * rowSize), (filled % held) * rowSize);
        }
        const band = { ...spec, padTop, outHeight, rowsHeld: held };
        const yAt = at.y + 4 * from * spec.outWidth * spec.channels;
        for (const call of wasm.calls(band, { ...at, y: yAt })) {
          const parts = cuts(call, 2);
          for (let part = 0; part < 2; part++) runPart(functions, call, parts[part], parts[part + 1]);
        }
      }
      bench.check(spec);
      return y.slice();
    };

    const specs = [
      ...[1, 2, 3, 7, 12].map((H) => depthwise(H, 6, 8, 1, 1, false, { activation: 'relu6' })),
      ...[1, 2, 3, 8, 13].map((H) => depthwise(H, 7, 5, 2, 1, false)),
      ...[4, 8, 13].map((H) => depthwise(H, 7, 4, 2, 1, true)),
      ...[1, 5, 9, 14].flatMap((H) => [2, 4].map((dilation) => depthwise(H, 9, 4, 1, dilation))),
    ];
    it.each([1, 2, 3])('%i rows at a time', (band) => {
      for (const spec of specs) {
        const given = operands(spec, 'reals', 5);
        const whole = place(wasm, spec, given);
        for (const { name, args } of wasm.calls(spec, whole.at)) functions[name](...args);
        const wanted = whole.y.slice();
        const least = (band - 1) * spec.stride + 2 * spec.dilation + 1;
        for (const held of [least, least + 1, least + 5]) {
          expect(inBands(spec, given, band, held), `${held} of ${JSON.stringify(spec)}`).toEqual(wanted);
        }
      }
    });
  });
}

describe('far up in memory', () => {
  it('addresses beyond 2 GiB are no negative numbers', (context) => {
    let high: WebAssembly.Memory;
    try {
      high = new WebAssembly.Memory({ initial: 2 ** 15 + 64 }); // pages that are not touched take no room
    } catch (error) {
      context.skip(`this machine gives no memory of 2 GiB: ${(error as Error).message}`);
      return;
    }
    const module = new WebAssembly.Module(emitKernels({ shared: false, relaxed: false }));
    const functions = new WebAssembly.Instance(module, { env: { memory: high } }).exports as Functions;
    const specs: Spec[] = [
      pointwise(40, 24, 40, { residual: true }),
      depthwise(9, 9, 8, 1),
      depthwise(9, 9, 8, 2),
      conv3x3(9, 9, 3, 8, 2),
      ...EXACT.slice(-20),
      pool(1, 7, 7, 20),
      resize(3, 4, 5, 10, 9, true),
    ];
    for (const spec of specs) {
      const kernel = WASM_KERNELS.find(({ op }) => op === spec.op)!;
      const given = operands(spec, 'integers');
      const { weights } = given;
      const buffers = { ...given, weights: weights.length > 0 ? kernel.pack(spec, weights) : weights, zeros: ZEROS };
      // Half of x and half of y lie on either side of the border.
      for (const middle of ['x', 'y'] as const) {
        const y = new Float32Array(sizes(spec).y);
        const length = (middle === 'x' ? given.x : y).length;
        let end = 2 ** 31 - 4 * Math.floor(length / 2);
        const at: Record<string, number> = {};
        const place = (values: Float32Array) => {
          const from = end;
          new Float32Array(high.buffer, from, values.length).set(values);
          end += 4 * values.length + 64;
          return from;
        };
        if (middle === 'y') at.y = place(y);
        for (const [name, values] of Object.entries(buffers)) at[name] = place(values);
        if (middle === 'x') at.y = place(y);
        for (const { name, args } of kernel.calls(spec, at as unknown as Addresses)) functions[name](...args);
        const got = new Float32Array(high.buffer, at.y, y.length);
        expect(got, JSON.stringify(spec)).toEqual(expected(spec, given));
      }
    }
  });
});

describe('at the end of memory', () => {
  it.each([8, 16, 24, 40, 44])('weights of %i channels are not read beyond', (outChannels) => {
    const small = new WebAssembly.Memory({ initial: 2 });
    const module = new WebAssembly.Module(emitKernels({ shared: false, relaxed: false }));
    const { pointwise: run } = new WebAssembly.Instance(module, { env: { memory: small } }).exports as Functions;
    const spec = pointwise(20, 32, outChannels);
    const kernel = WASM_KERNELS.find(({ op }) => op === 'pointwise')!;
    const given = operands(spec, 'integers');
    const packed = kernel.pack(spec, given.weights);
    const weights = small.buffer.byteLength - packed.byteLength;
    const at = { x: 64, bias: 32768, y: 49152, residual: 0, other: 0, zeros: 0, weights };
    for (const [from, values] of [
      [at.x, given.x],
      [at.bias, given.bias],
      [weights, packed],
    ] as const) {
      new Float32Array(small.buffer, from, values.length).set(values);
    }
    for (const { args } of kernel.calls(spec, at)) run(...args);
    expect(new Float32Array(small.buffer, at.y, sizes(spec).y)).toEqual(expected(spec, given));
  });
});

describe('what the wasm kernels leave to js', () => {
  it('less than a vector of channels, and a stride with a dilation', () => {
    const specs = [depthwise(5, 5, 3, 1), depthwise(5, 5, 8, 2, 2), pool(1, 7, 7, 3), resize(2, 2, 3, 4, 4, true)];
    for (const spec of specs) {
      expect(findWasmKernel(spec)).toBeUndefined();
      expect(findKernel(spec, ['js', 'reference']).engine).toBe('js');
    }
  });
});
