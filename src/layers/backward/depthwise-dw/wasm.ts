/**
 * Gradient of a depthwise convolution's weights in SIMD, four channels at a time: nine vectors of sums stay in registers while
 * columns of X and of dY go by. A column of X is read once, and multiplied with the outputs that it lies under: three with
 * stride 1, with stride 2 in turn two and one. Rows outside the picture point to a line of zeros.
 *
 * Sums are those of a band of rows, and added to y after each, so that many pixels do not make them less exact. With dilation d,
 * columns d apart form d interleaved rows, and each of them is such a row of its own.
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
import { LANES } from '../../depthwise/strips.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import { vectorAt } from '../../wasm-vectors.js';
import { type Columns, countColumns } from '../columns.js';
import type { DepthwiseDwSpec } from '../spec.js';

const BYTES = Float32Array.BYTES_PER_ELEMENT;
/** Floats of a cache line: a band is done for so many channels before the next, while its lines are in the first-level cache. */
const LINE = 16;
const BAND_BYTES = 24 * 1024;

const PARAMS = {
  ...typed('i32', 'x', 'dy', 'y'), // one image
  ...typed('i32', 'H', 'W', 'C', 'OH', 'OW'),
  ...typed('i32', 'padTop', 'padLeft', 'dilation', 'zeros', 'band'), // band: output rows in one
  ...typed('i32', 'channelFrom', 'channelTo'),
};

export const depthwiseDwWasm: WasmKernel<DepthwiseDwSpec> = {
  op: 'depthwise3x3_dw',
  engine: 'wasm',
  supports: ({ channels, stride, dilation, padLeft }) =>
    channels >= LANES && padLeft <= dilation && (stride === 1 || dilation === 1),
  pack: (_spec, weights) => weights,

  calls(spec, at) {
    const { batch, inHeight: H, inWidth: W, channels: C, outHeight: OH, outWidth: OW, stride } = spec;
    const { padTop, padLeft, dilation } = spec;
    const band = Math.max(1, Math.floor(BAND_BYTES / ((OW + stride * W) * LINE * BYTES)));
    const sizes = { H, W, C, OH, OW, padTop, padLeft, dilation, zeros: at.zeros, band };
    return Array.from({ length: batch }, (_, n) => {
      const image = { x: at.x + BYTES * n * H * W * C, dy: at.other + BYTES * n * OH * OW * C, y: at.y };
      const args = { ...image, ...sizes, channelFrom: 0, channelTo: C };
      return callOf(`depthwise3x3_dw_s${stride}`, PARAMS, args, { splitBy: 'channelFrom', grain: LINE });
    });
  },

  emit(module: ModuleBuilder) {
    for (const stride of [1, 2] as const) {
      module.func(`depthwise3x3_dw_s${stride}`, PARAMS, (f, p) => emitBands(f, p, stride));
    }
  },
};

/** What goes along a row. */
interface Row {
  f: FunctionBuilder;
  /** The next pixel of each row of taps, and bytes to the one after; 0 in a row of zeros. */
  rows: Local<'i32'>[];
  steps: Local<'i32'>[];
  /** The next output's gradient, and bytes to the one after. */
  gradient: Local<'i32'>;
  step: Local<'i32'>;
  pixelBytes: Local<'i32'>;
  sums: Local<'v128'>[];
  pixel: Local<'v128'>;
}

/** Bands of rows, in each of them lines of channels, vectors of them, and rows. */
function emitBands(f: FunctionBuilder, p: Parameters<typeof PARAMS>, stride: 1 | 2): void {
  const [pixelBytes, rowBytes, dyRowBytes, step, tapBytes] = f.locals('i32', 5);
  f.set(pixelBytes, i32.shl(p.C, 2));
  f.set(rowBytes, i32.mul(p.W, pixelBytes));
  f.set(dyRowBytes, i32.mul(p.OW, pixelBytes));
  f.set(step, i32.mul(pixelBytes, p.dilation));
  f.set(tapBytes, i32.mul(rowBytes, p.dilation));
  const [bandFrom, bandTo, row, channel, lane, first, h, above] = f.locals('i32', 8);
  const [rows, steps] = [f.locals('i32', 3), f.locals('i32', 3)];
  const gradient = f.local('i32');
  const sums = f.locals('v128', 9);
  const context: Row = { f, rows, steps, gradient, step, pixelBytes, sums, pixel: f.local('v128') };
  const alongRow = stride === 1 ? slideByOne(context, p) : slideByTwo(context, p);

  /** Goes to column `first` of the rows of taps, and to the gradients of its row. */
  const enterRow = (): void => {
    f.set(h, i32.sub(i32.mul(row, stride), p.padTop));
    f.set(above, i32.add(p.x, i32.add(i32.mul(h, rowBytes), i32.add(i32.mul(first, pixelBytes), lane))));
    for (const [r, at] of rows.entries()) {
      f.set(at, p.zeros);
      f.set(steps[r], 0);
      f.if(i32.lt_u(h, p.H), () => {
        f.set(at, above);
        f.set(steps[r], step);
      });
      f.increase(h, p.dilation);
      f.increase(above, tapBytes);
    }
    f.set(gradient, i32.add(p.dy, i32.add(i32.mul(row, dyRowBytes), lane)));
  };

  f.for(bandFrom, 0, p.OH, p.band, () => {
    f.set(bandTo, i32.add(bandFrom, p.band));
    f.if(i32.gt_s(bandTo, p.OH), () => f.set(bandTo, p.OH));
    f.for(channel, p.channelFrom, p.channelTo, LANES, () => {
      vectorAt(f, lane, channel, p.C);
      for (const sum of sums) f.set(sum, v128.const(0, 0, 0, 0));
      f.for(first, 0, p.dilation, 1, () => {
        f.for(row, bandFrom, bandTo, 1, () => {
          enterRow();
          alongRow(first);
        });
      });
      addTo(f, p.y, channel, lane, sums);
    });
  });
}

/** Adds four channels' sums to y, where each channel's nine lie side by side. Of a last group that reaches back, what is new. */
function addTo(
  f: FunctionBuilder,
  y: Local<'i32'>,
  channel: Local<'i32'>,
  lane: Local<'i32'>,
  sums: readonly Local<'v128'>[],
): void {
  const [low0, low1, high0, high1] = f.locals('v128', 4);
  const [to, done] = f.locals('i32', 2);
  f.set(to, i32.add(y, i32.mul(lane, 9)));
  f.set(done, i32.sub(channel, i32.shr_u(lane, 2)));

  const add = (value: Expr<'v128'>, offset: number) => f32x4.add(v128.load(to, offset), value);
  // Four taps of four channels, taps side by side.
  const turned = [0, 4].map((tap) => {
    const [a, b, c, d] = sums.slice(tap, tap + 4);
    f.set(low0, v128.shuffle([0, 4, 1, 5], a, b));
    f.set(low1, v128.shuffle([0, 4, 1, 5], c, d));
    f.set(high0, v128.shuffle([2, 6, 3, 7], a, b));
    f.set(high1, v128.shuffle([2, 6, 3, 7], c, d));
    f.set(a, v128.shuffle([0, 1, 4, 5], low0, low1));
    f.set(b, v128.shuffle([2, 3, 6, 7], low0, low1));
    f.set(c, v128.shuffle([0, 1, 4, 5], high0, high1));
    f.set(d, v128.shuffle([2, 3, 6, 7], high0, high1));
    return [a, b, c, d];
  });
  for (let c = 0; c < LANES; c++) {
    f.if(i32.le_s(done, c), () => {
      f.store('v128.store', to, add(turned[0][c], 0));
      f.store('v128.store', to, add(turned[1][c], 16), 16);
      f.storeLane('v128.store32_lane', c, to, f32x4.add(v128.load32Splat(to, 32), sums[8]), 32);
    });
    f.increase(to, 9 * BYTES);
  }
}

/** Multiplies the next column of X: row r of taps and column s of them get the product with `gradients[s]`. */
function addColumn(
  { f, rows, steps, sums, pixel }: Row,
  gradients: readonly (readonly [number, Expr<'v128'>])[],
): void {
  for (const [r, at] of rows.entries()) {
    f.set(pixel, v128.load(at));
    for (const [s, gradient] of gradients) f.set(sums[3 * r + s], f.mulAdd(sums[3 * r + s], gradient, pixel));
    f.increase(at, steps[r]);
  }
}

/**
 * Stride 1. Columns are counted in steps of the dilation. Column k lies under output k through the first column of taps, under
 * k − 1 through the middle one and under k − 2 through the last, counted from the output that it is the first to reach.
 */
function slideByOne(row: Row, { W, OW, padLeft, dilation }: Parameters<typeof PARAMS>) {
  const { f, gradient, step } = row;
  const [newest, middle, oldest] = f.locals('v128', 3);
  const [output, whole, rest, before, left] = f.locals('i32', 5);
  const ceilingDivide = (length: Expr<'i32'>) => i32.div_s(i32.add(length, i32.sub(dilation, 1)), dilation);

  const column = (read: Expr<'v128'>): void => {
    f.set(newest, read);
    addColumn(row, [
      [0, newest],
      [1, middle],
      [2, oldest],
    ]);
    f.set(oldest, middle);
    f.set(middle, newest);
    f.set(left, i32.sub(left, 1));
  };

  return (first: Local<'i32'>): void => {
    f.set(output, i32.add(first, padLeft));
    // Columns that reach an output, and up to two after those.
    f.set(rest, ceilingDivide(i32.sub(W, first)));
    f.set(whole, ceilingDivide(i32.sub(OW, output)));
    f.if(i32.lt_s(whole, 0), () => f.set(whole, 0));
    f.if(i32.gt_s(whole, rest), () => f.set(whole, rest));
    f.set(rest, i32.sub(rest, whole));
    f.if(i32.gt_s(rest, 2), () => f.set(rest, 2));

    f.set(middle, v128.const(0, 0, 0, 0));
    f.set(oldest, middle);
    f.set(before, i32.sub(output, dilation));
    f.if(i32.lt_u(before, OW), () => f.set(middle, v128.load(i32.add(gradient, i32.mul(before, row.pixelBytes)))));
    f.increase(gradient, i32.mul(output, row.pixelBytes));
    f.set(left, whole);
    f.while(
      () => left,
      () => {
        column(v128.load(gradient));
        f.increase(gradient, step);
      },
    );
    f.set(left, rest);
    f.while(
      () => left,
      () => column(v128.const(0, 0, 0, 0)),
    );
  };
}

/** Stride 2 (../columns.ts). */
function slideByTwo(row: Row, p: Parameters<typeof PARAMS>) {
  const { f, gradient, step } = row;
  const [next, previous] = f.locals('v128', 2);
  const left = f.local('i32');
  const { whole, rest, hasNext }: Columns = countColumns(f, p);

  const read = (): void => {
    f.set(next, v128.load(gradient));
    f.increase(gradient, step);
  };
  const first = () =>
    addColumn(row, [
      [0, next],
      [2, previous],
    ]);
  const second = () => addColumn(row, [[1, next]]);

  return (): void => {
    f.set(previous, v128.const(0, 0, 0, 0));
    f.if(p.padLeft, () => {
      read();
      second();
      f.set(previous, next);
    });
    f.set(left, whole);
    f.while(
      () => left,
      () => {
        read();
        first();
        second();
        f.set(previous, next);
        f.set(left, i32.sub(left, 1));
      },
    );
    f.if(rest, () => {
      f.set(next, v128.const(0, 0, 0, 0));
      f.if(hasNext, read);
      first();
    });
  };
}
