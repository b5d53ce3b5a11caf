/**
 * 3×3 depthwise convolution in SIMD, four channels at a time. For a row of output the nine weights stay in registers,
 * and a window slides along the columns: each column of input is read once, three vectors, and added to the three
 * outputs it belongs to. Columns outside the picture are not visited, rows outside it point to a line of zeros.
 *
 * With dilation d, columns d apart form d interleaved rows, and each of them is such a row of its own.
 */
import {
  type Expr,
  type FunctionBuilder,
  f32x4,
  i32,
  type Local,
  type ModuleBuilder,
  v128,
} from '../../tensor/wasm/assembler.js';
import { clampBounds, type DepthwiseSpec, type WasmKernel } from '../spec.js';
import { clamp, storeLanes } from '../wasm-store.js';

const PARAMS = [
  ...['i32', 'i32', 'i32', 'i32'], // x, w, bias, y: one image
  ...['i32', 'i32', 'i32', 'i32'], // H, W, C, OW
  ...['i32', 'i32', 'i32'], // padTop, padLeft, dilation
  ...['i32', 'i32', 'i32'], // rows that x holds (row h is at h mod that), zeros, output rows in a band
  ...['f32', 'f32'], // bounds of the activation
  ...['i32', 'i32'], // output rows from, to
] as const;

/**
 * A band of rows is done for four channels before the next four, so that weights are loaded once a band. Four channels
 * touch a whole cache line of every pixel; a band's lines should stay in the first-level cache for the next four.
 */
const BAND_BYTES = 24 * 1024;
const LINE_BYTES = 64;

/** The call for one image; with `rowsHeld` below H, x is a ring of rows. */
export function depthwiseCall(
  spec: DepthwiseSpec,
  at: { x: number; weights: number; bias: number; y: number; zeros: number },
  rowsHeld: number,
) {
  const { inHeight, inWidth, channels, outHeight, outWidth, stride, dilation, padTop, padLeft } = spec;
  const { lo, hi } = clampBounds(spec.activation);
  const band = Math.max(1, Math.floor((BAND_BYTES / (inWidth * LINE_BYTES) - 2) / stride));
  const args = [
    ...[at.x, at.weights, at.bias, at.y],
    ...[inHeight, inWidth, channels, outWidth],
    ...[padTop, padLeft, dilation, rowsHeld, at.zeros, band, lo, hi, 0, outHeight],
  ];
  return { name: `depthwise3x3_s${stride}`, args, split: { at: 16, total: outHeight, grain: 1 } };
}

export const depthwiseWasm: WasmKernel<DepthwiseSpec> = {
  op: 'depthwise3x3',
  engine: 'wasm',
  supports: ({ stride, dilation, padLeft }) => padLeft <= dilation && (stride === 1 || dilation === 1),

  /** [C,1,3,3] → [C/4][9][4], zeros behind the last channel. */
  pack({ channels: C }, weights) {
    const packed = new Float32Array(Math.ceil(C / 4) * 36);
    for (let c = 0; c < C; c++) {
      for (let tap = 0; tap < 9; tap++) packed[(c >> 2) * 36 + tap * 4 + (c & 3)] = weights[c * 9 + tap];
    }
    return packed;
  },

  calls(spec, at) {
    const { batch, inHeight, inWidth, outHeight, outWidth, channels } = spec;
    return Array.from({ length: batch }, (_, n) => {
      const x = at.x + 4 * n * inHeight * inWidth * channels;
      const y = at.y + 4 * n * outHeight * outWidth * channels;
      return depthwiseCall(spec, { ...at, x, y }, inHeight);
    });
  },

  emit(module: ModuleBuilder) {
    for (const stride of [1, 2] as const) {
      module.func(
        `depthwise3x3_s${stride}`,
        PARAMS,
        (f, x, w, bias, y, H, W, C, OW, padTop, padLeft, dilation, held, zeros, band, lo, hi, rowFrom, rowTo) => {
          const [pixelBytes, bandFrom, bandTo, row, channel, left, weightAt, first] = f.locals('i32', 8);
          const [low, high, start] = f.locals('v128', 3);
          const weights = f.locals('v128', 9);
          const below = f.local('i32');
          const rows = f.locals('i32', 4); // where each row of taps begins, at these channels
          const steps = f.locals('i32', 4); // bytes from a column to the next; 0 in a row of zeros
          const h = f.local('i32');
          const out = f.local('i32');
          f.set(pixelBytes, i32.shl(C, 2));
          f.set(low, f32x4.splat(lo));
          f.set(high, f32x4.splat(hi));
          const slide = stride === 1 ? slideByOne : slideByTwo;

          f.for(bandFrom, rowFrom, rowTo, band, () => {
            f.set(bandTo, i32.add(bandFrom, band));
            f.if(i32.gt_s(bandTo, rowTo), () => f.set(bandTo, rowTo));
            f.set(weightAt, w);
            f.for(channel, 0, C, 4, () => {
              for (const [tap, weight] of weights.entries()) f.set(weight, v128.load(weightAt, 16 * tap));
              f.set(start, v128.load(i32.add(bias, i32.shl(channel, 2))));
              f.set(left, i32.sub(C, channel));
              const outputs = (height: 1 | 2) => {
                f.for(first, 0, dilation, 1, () => {
                  for (let r = 0; r < 2 + height; r++) {
                    f.set(h, i32.add(i32.sub(i32.mul(row, stride), padTop), i32.mul(dilation, r)));
                    f.if(
                      i32.lt_u(h, H), // as unsigned, a negative row is a huge one
                      () => {
                        f.set(rows[r], i32.mul(i32.mul(i32.rem_u(h, held), W), pixelBytes));
                        f.set(rows[r], i32.add(i32.add(x, rows[r]), i32.shl(channel, 2)));
                        f.set(steps[r], i32.mul(pixelBytes, dilation));
                      },
                      () => {
                        f.set(rows[r], zeros);
                        f.set(steps[r], 0);
                      },
                    );
                  }
                  f.set(out, i32.mul(i32.add(i32.mul(row, OW), first), pixelBytes));
                  f.set(out, i32.add(i32.add(y, out), i32.shl(channel, 2)));
                  const store = (sums: readonly Expr<'v128'>[]) => {
                    const clamped = sums.map((sum) => clamp(sum, low, high));
                    storeLanes(f, out, [clamped[0]], left);
                    if (clamped.length > 1) {
                      f.set(below, i32.add(out, i32.mul(pixelBytes, OW)));
                      storeLanes(f, below, [clamped[1]], left);
                    }
                    f.increase(out, i32.mul(pixelBytes, dilation));
                  };
                  slide({
                    f,
                    rows: rows.slice(0, 2 + height),
                    steps,
                    weights,
                    start,
                    first,
                    W,
                    OW,
                    padLeft,
                    dilation,
                    store,
                  });
                });
              };
              f.set(row, bandFrom);
              if (stride === 1) {
                f.if(i32.eq(dilation, 1), () =>
                  f.while(
                    () => i32.lt_s(i32.add(row, 1), bandTo),
                    () => {
                      outputs(2);
                      f.increase(row, 2);
                    },
                  ),
                );
              }
              f.while(
                () => i32.lt_s(row, bandTo),
                () => {
                  outputs(1);
                  f.increase(row, 1);
                },
              );
              f.increase(weightAt, 9 * 16);
            });
          });
        },
      );
    }
  },
};

interface Row {
  f: FunctionBuilder;
  rows: Local<'i32'>[];
  steps: Local<'i32'>[];
  weights: Local<'v128'>[];
  /** The bias. */
  start: Local<'v128'>;
  /** Index of the first output column, below the dilation. */
  first: Local<'i32'>;
  W: Local<'i32'>;
  OW: Local<'i32'>;
  padLeft: Local<'i32'>;
  dilation: Local<'i32'>;
  /** Stores an output and moves on to the next. */
  store: (sums: readonly Expr<'v128'>[]) => void;
}

/**
 * Adds the column at `rows` to the sums: `sums[o][s]`, output row o, gets it through the weights of column s. Then moves
 * to the next column. Input row r is tap r of output row 0 and tap r−1 of output row 1.
 */
function addColumn(
  { f, rows, steps, weights }: Row,
  sums: readonly (readonly (Local<'v128'> | null)[])[],
  pixel: Local<'v128'>,
): void {
  for (const [r, at] of rows.entries()) {
    f.set(pixel, v128.load(at));
    for (const [o, columns] of sums.entries()) {
      const tap = r - o;
      if (tap < 0 || tap > 2) continue;
      for (const [s, sum] of columns.entries()) {
        if (sum !== null) f.set(sum, f32x4.add(sum, f32x4.mul(pixel, weights[3 * tap + s])));
      }
    }
    f.increase(at, steps[r]);
  }
}

/**
 * Stride 1. With columns and outputs counted in steps of the dilation, column k feeds output k−2 through the last column
 * of weights, k−1 through the middle one and k through the first. Column 0 is one step of padding or the first pixel.
 */
function slideByOne(row: Row): void {
  const { f, rows, steps, start, first, W, OW, padLeft, dilation, store } = row;
  const [column, columns, outputs, offset] = f.locals('i32', 4);
  const pixel = f.local('v128');
  const sums = Array.from({ length: rows.length - 2 }, () => f.locals('v128', 3)); // newest, middle, oldest

  f.set(outputs, i32.div_s(i32.add(i32.sub(OW, first), i32.sub(dilation, 1)), dilation));
  // Pixel of column 0, and the number of columns in front of the picture's right edge.
  f.set(offset, i32.sub(first, padLeft));
  f.set(columns, i32.div_s(i32.add(i32.sub(W, offset), i32.sub(dilation, 1)), dilation));
  f.if(i32.gt_s(columns, i32.add(outputs, 2)), () => f.set(columns, i32.add(outputs, 2)));
  f.set(column, i32.lt_s(offset, 0));
  f.increase(offset, i32.mul(column, dilation));
  for (const [r, at] of rows.entries()) f.increase(at, i32.mul(i32.div_s(steps[r], dilation), offset));

  for (const sum of sums.flat()) f.set(sum, start);
  const storeOldest = () => store(sums.map(([, , oldest]) => oldest));
  const shift = () => {
    for (const [newest, middle, oldest] of sums) {
      f.set(oldest, middle);
      f.set(middle, newest);
      f.set(newest, start);
    }
    f.increase(column, 1);
  };
  const lead = f.local('i32');
  f.set(lead, columns);
  f.if(i32.gt_s(lead, 2), () => f.set(lead, 2));
  f.while(
    () => i32.lt_s(column, lead),
    () => {
      addColumn(
        row,
        sums.map(([newest, middle]) => [newest, middle, null]),
        pixel,
      );
      shift();
    },
  );
  f.while(
    () => i32.lt_s(column, columns),
    () => {
      addColumn(row, sums, pixel);
      storeOldest();
      shift();
    },
  );
  // Columns behind the right edge add nothing.
  f.while(
    () => i32.lt_s(column, i32.add(outputs, 2)),
    () => {
      f.if(i32.ge_s(column, 2), storeOldest);
      shift();
    },
  );
}

/** Stride 2: an output's last column is the next one's first. */
function slideByTwo(row: Row): void {
  const { f, rows, steps, start, W, OW, padLeft, store } = row;
  const [column, output] = f.locals('i32', 2); // the middle column of the output
  const [sum, next, pixel] = f.locals('v128', 3);
  f.set(sum, start);
  f.set(column, i32.sub(1, padLeft));
  f.if(i32.eqz(padLeft), () => addColumn(row, [[sum, null, null]], pixel));
  f.set(output, OW);
  const both = () => {
    addColumn(row, [[null, sum, null]], pixel);
    f.set(next, start);
    addColumn(row, [[next, null, sum]], pixel);
  };
  const finish = () => {
    store([sum]);
    f.set(sum, next);
    f.increase(column, 2);
    f.set(output, i32.sub(output, 1));
  };
  f.while(
    () => i32.and(i32.gt_s(output, 0), i32.lt_s(i32.add(column, 1), W)),
    () => {
      both();
      finish();
    },
  );
  f.while(
    () => i32.gt_s(output, 0),
    () => {
      f.set(next, start);
      f.if(i32.lt_s(column, W), () => addColumn(row, [[null, sum, null]], pixel));
      f.if(i32.lt_s(i32.add(column, 1), W), () => addColumn(row, [[next, null, sum]], pixel));
      finish();
    },
  );
  // Nothing reads behind the last row; the pointers end where they end.
  void rows;
  void steps;
}
