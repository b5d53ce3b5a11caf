/**
 * Gradient of a depthwise convolution's input in SIMD, four channels at a time.
 *
 * With stride 1 it is a depthwise convolution of dY with its taps turned round, and goes its way (../../depthwise/strips.ts). With
 * stride 2 the pixels of a row lie in turn under one column of taps and under two, and so do rows: an input row has the taps
 * of one row of outputs, or of two.
 *
 * Where the input came out of a clamp, the clamp's derivative is taken as a result is stored, which spares a pass over it.
 */
import {
  type Expr,
  type FunctionBuilder,
  f32x4,
  i32,
  type Local,
  type ModuleBuilder,
  type Parameters,
  typed,
  v128,
} from '../../../tensor/wasm/assembler.js';
import { type Elements, emitStrips, LANES, STRIP_PARAMS, stripSizes } from '../../depthwise/strips.js';
import { depthwiseWasm } from '../../depthwise/wasm.js';
import { type Call, callOf, type WasmKernel } from '../../kernel.js';
import type { DepthwiseSpec } from '../../spec.js';
import { vectorAt } from '../../wasm-vectors.js';
import { type Columns, countColumns } from '../columns.js';
import { maskBound, passed } from '../mask.js';
import type { DepthwiseDxSpec } from '../spec.js';

const BYTES = Float32Array.BYTES_PER_ELEMENT;

/** `toMask`: bytes from a result to the value that its clamp gave; `bound`: of the clamp. */
const MASK = { ...typed('i32', 'toMask'), ...typed('f32', 'bound') };
const PARAMS_S1 = { ...STRIP_PARAMS, ...MASK };
const PARAMS_S2 = {
  ...typed('i32', 'dy', 'w', 'y'), // one image
  ...typed('i32', 'W', 'C', 'OH', 'OW'),
  ...typed('i32', 'padTop', 'padLeft', 'zeros', 'block'), // block: channels that are done together
  ...MASK,
  ...typed('i32', 'rowFrom', 'rowTo'), // of dX
};

const nameOf = (stride: 1 | 2, masked: boolean): string => `depthwise3x3_dx_s${stride}${masked ? '_masked' : ''}`;

export const depthwiseDxWasm: WasmKernel<DepthwiseDxSpec> = {
  op: 'depthwise3x3_dx',
  engine: 'wasm',

  supports: ({ channels, stride, dilation, padLeft }) =>
    channels >= LANES && (stride === 1 ? padLeft >= dilation : dilation === 1 && padLeft <= 1),

  /** [C,1,3,3] → [groups of channels][9][4], taps from last to first, and after them a bias of zeros. */
  pack(spec, weights, scale = null) {
    const { channels: C } = spec;
    const turned = new Float32Array(weights.length);
    for (let i = 0; i < weights.length; i++) turned[i] = weights[i - (i % 9) + 8 - (i % 9)];
    const packed = depthwiseWasm.pack(forward(spec), turned, scale);
    const result = new Float32Array(packed.length + C);
    result.set(packed);
    return result;
  },

  calls(spec, at) {
    const { batch, inHeight: H, inWidth: W, channels: C, outHeight: OH, outWidth: OW } = spec;
    const bound = maskBound(spec.mask);
    const name = nameOf(spec.stride, spec.mask !== 'none');
    return Array.from({ length: batch }, (_, n): Call => {
      const dy = at.x + BYTES * n * OH * OW * C;
      const y = at.y + BYTES * n * H * W * C;
      const mask = { toMask: at.other - at.y, bound };
      const split = { splitBy: 'rowFrom', grain: 1 } as const;
      if (spec.stride === 1) {
        const bias = at.weights + BYTES * 9 * LANES * Math.ceil(C / LANES);
        const args = { ...stripSizes(forward(spec), BYTES, at.zeros), x: dy, w: at.weights, bias, y, ...mask };
        return callOf(name, PARAMS_S1, args, split);
      }
      const { padTop, padLeft } = spec;
      const sizes = { W, C, OH, OW, padTop, padLeft, zeros: at.zeros, block: LINE };
      const args = { dy, w: at.weights, y, ...sizes, ...mask, rowFrom: 0, rowTo: H };
      return callOf(name, PARAMS_S2, args, split);
    });
  },

  emit(module: ModuleBuilder) {
    for (const masked of [false, true]) {
      module.func(nameOf(1, masked), PARAMS_S1, (f, p) => emitStrips(f, p, 1, elements(f, storeOf(f, p, masked))));
      module.func(nameOf(2, masked), PARAMS_S2, (f, p) => emitRows(f, p, storeOf(f, p, masked)));
    }
  },
};

/** Floats of a cache line: a row is done for so many channels before the next. */
const LINE = 16;

/** With stride 1: the convolution of dY that gives dX. */
function forward(spec: DepthwiseDxSpec): DepthwiseSpec {
  const { batch, channels, dilation } = spec;
  return {
    ...{ op: 'depthwise3x3', dtype: 'f32', activation: 'none', batch, channels, stride: 1, dilation },
    ...{ inHeight: spec.outHeight, inWidth: spec.outWidth, outHeight: spec.inHeight, outWidth: spec.inWidth },
    ...{ padTop: 2 * dilation - spec.padTop, padLeft: 2 * dilation - spec.padLeft },
  };
}

type Store = (address: Local<'i32'>, sum: Expr<'v128'>) => void;

function storeOf(f: FunctionBuilder, { toMask, bound }: Parameters<typeof MASK>, masked: boolean): Store {
  if (!masked) return (address, sum) => f.store('v128.store', address, sum);
  const through = passed(f, bound);
  return (address, sum) => f.store('v128.store', address, through(sum, v128.load(i32.add(address, toMask))));
}

const elements = (f: FunctionBuilder, store: Store): Elements => ({
  shift: 2,
  weightVectors: 9,
  load: (rows) => rows.map((at) => v128.load(at)),
  add: (sum, pixels, weights, s) =>
    pixels.reduce<Expr<'v128'>>((all, pixel, r) => f.mulAdd(all, pixel, weights[3 * r + s]), sum),
  store,
});

/** Stride 2: rows, in each of them blocks of channels, and of those four at a time along the row. */
function emitRows(f: FunctionBuilder, p: Parameters<typeof PARAMS_S2>, store: Store): void {
  const [pixelBytes, dyRowBytes, rowBytes, row, above, from, to, channel, lane] = f.locals('i32', 9);
  f.set(pixelBytes, i32.shl(p.C, 2));
  f.set(dyRowBytes, i32.mul(p.OW, pixelBytes));
  f.set(rowBytes, i32.mul(p.W, pixelBytes));
  const [bases, steps, inside] = [f.locals('i32', 2), f.locals('i32', 2), f.locals('i32', 2)];
  const [weightAt, outRow, out] = f.locals('i32', 3);
  const columns = countColumns(f, p);

  /** Finds rows of outputs, of which the first is row `above` + 1. A row that is not there is one of zeros. */
  const findRows = (count: 1 | 2): void => {
    for (let r = 0; r < count; r++) {
      const index = i32.add(above, 1 - r);
      f.set(bases[r], p.zeros);
      f.set(steps[r], 0);
      f.set(inside[r], 0);
      f.if(i32.lt_u(index, p.OH), () => {
        f.set(bases[r], i32.add(p.dy, i32.mul(index, dyRowBytes)));
        f.set(steps[r], pixelBytes);
        f.set(inside[r], -1);
      });
    }
  };

  /** @param taps the row of taps that each row of outputs has here */
  const rowOf = (taps: readonly number[]): void => {
    findRows(taps.length as 1 | 2);
    const weights = taps.map(() => f.locals('v128', 3));
    const rows = f.locals('i32', taps.length);
    f.for(from, 0, p.C, p.block, () => {
      f.set(to, i32.add(from, p.block));
      f.if(i32.gt_s(to, p.C), () => f.set(to, p.C));
      f.for(channel, from, to, LANES, () => {
        vectorAt(f, lane, channel, p.C);
        // A group of four channels has nine vectors, from the last tap to the first.
        f.set(weightAt, i32.add(p.w, i32.mul(channel, 4 * 9)));
        for (const [i, r] of taps.entries()) {
          for (let s = 0; s < 3; s++) f.set(weights[i][s], v128.load(weightAt, 16 * (8 - (3 * r + s))));
        }
        for (const [i, at] of rows.entries()) f.set(at, i32.add(bases[i], i32.and(lane, inside[i])));
        f.set(out, i32.add(outRow, lane));
        alongRow({ f, rows, steps, weights, out, pixelBytes, store }, p.padLeft, columns);
      });
    });
  };

  f.for(row, p.rowFrom, p.rowTo, 1, () => {
    f.set(outRow, i32.add(p.y, i32.mul(row, rowBytes)));
    f.set(above, i32.sub(i32.shr_s(i32.add(row, p.padTop), 1), 1));
    f.if(
      i32.and(i32.add(row, p.padTop), 1),
      () => rowOf([1]),
      () => rowOf([0, 2]),
    );
  });
}

interface Row {
  f: FunctionBuilder;
  /** The next pixel of each row of outputs, bytes to the one after, and the taps that the row has here. */
  rows: Local<'i32'>[];
  steps: Local<'i32'>[];
  weights: Local<'v128'>[][];
  /** The next result, and bytes to the one after. */
  out: Local<'i32'>;
  pixelBytes: Local<'i32'>;
  store: Store;
}

/** A row for four channels. With padding its first column is the second of a pair. */
function alongRow(
  { f, rows, steps, weights, out, pixelBytes, store }: Row,
  padLeft: Local<'i32'>,
  { whole, rest, hasNext }: Columns,
): void {
  const previous = f.locals('v128', rows.length);
  const next = f.locals('v128', rows.length);
  const end = f.local('i32');

  const forget = (pixels: readonly Local<'v128'>[]): void => {
    for (const pixel of pixels) f.set(pixel, v128.const(0, 0, 0, 0));
  };
  const read = (): void => {
    for (const [i, at] of rows.entries()) {
      f.set(next[i], v128.load(at));
      f.increase(at, steps[i]);
    }
  };
  const add = (sum: Expr<'v128'> | null, pixels: readonly Local<'v128'>[], s: number): Expr<'v128'> =>
    pixels.reduce<Expr<'v128'> | null>(
      (all, pixel, i) => (all === null ? f32x4.mul(pixel, weights[i][s]) : f.mulAdd(all, pixel, weights[i][s])),
      sum,
    )!;
  const storeNext = (sum: Expr<'v128'>): void => {
    store(out, sum);
    f.increase(out, pixelBytes);
  };
  const first = () => storeNext(add(add(null, next, 0), previous, 2));
  const second = () => storeNext(add(null, next, 1));
  const moveOn = (): void => {
    for (const [i, pixel] of previous.entries()) f.set(pixel, next[i]);
  };

  forget(previous);
  f.if(padLeft, () => {
    read();
    second();
    moveOn();
  });
  f.set(end, i32.add(out, i32.mul(whole, i32.shl(pixelBytes, 1))));
  f.while(
    () => i32.ne(out, end),
    () => {
      read();
      first();
      second();
      moveOn();
    },
  );
  f.set(end, i32.add(out, i32.mul(rest, pixelBytes)));
  forget(next);
  f.if(hasNext, read);
  f.while(
    () => i32.ne(out, end),
    () => {
      first();
      f.if(i32.ne(out, end), second);
      moveOn();
      forget(next);
    },
  );
}
