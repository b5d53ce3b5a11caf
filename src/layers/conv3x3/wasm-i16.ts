/**
 * The first convolution of whole numbers in SIMD. Its pixels have their channels side by side, so that the three taps of a row
 * are one run of 3·C words, and the convolution is three products of such runs, as those of pointwise/wasm-i16.ts: two words
 * a step, 4 pixels by 8 output channels a tile.
 */
import {
  type Expr,
  type FunctionBuilder,
  i32,
  i32x4,
  type Local,
  type ModuleBuilder,
  type Parameters,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import { callOf } from '../kernel.js';
import type { I16WasmKernel } from '../kernel-i16.js';
import type { Conv3x3I16Spec } from '../spec.js';
import { BOUNDS, enterRounding, PANEL, packPairs, type Rounding, requantizeWords, storeWords } from '../wasm-i16.js';

/** Pixels of a tile. */
const WIDTH = 4;
/** Bytes of a pair of words, and of a panel's weights for it. */
const PAIR_BYTES = 4;
const STEP_BYTES = PANEL * PAIR_BYTES;

const PARAMS = {
  ...typed('i32', 'x', 'w', 'bias', 'multiplier', 'y'), // one image
  ...typed('i32', 'H', 'W', 'C', 'OW', 'K'),
  ...typed('i32', 'stride', 'padTop', 'padLeft'),
  ...typed('i32', 'insideFrom', 'insideTo'), // columns of the output whose taps are all in the picture
  ...BOUNDS,
  ...typed('i32', 'rowFrom', 'rowTo'), // of the output
};

export const conv3x3I16Wasm: I16WasmKernel<Conv3x3I16Spec> = {
  op: 'conv3x3',
  engine: 'wasm',
  supports: () => true,

  /** [K,C,3,3] → [K,3,3·C, and a zero where that is odd] → panels. There are few, so that all are i16. */
  pack({ inChannels: C, outChannels: K }, weights) {
    const run = 2 * Math.ceil((3 * C) / 2);
    const rows = new Int16Array(K * 3 * run);
    for (let k = 0; k < K; k++) {
      for (let c = 0; c < C; c++) {
        for (let r = 0; r < 3; r++) {
          for (let s = 0; s < 3; s++) rows[(k * 3 + r) * run + s * C + c] = weights[((k * C + c) * 3 + r) * 3 + s];
        }
      }
    }
    return packPairs(rows, K, 3 * run);
  },

  calls(spec, at) {
    const { batch, inHeight: H, inWidth: W, inChannels: C, outHeight: OH, outWidth: OW, outChannels: K } = spec;
    const { stride, padTop, padLeft, lo, hi } = spec;
    const insideFrom = Math.ceil(padLeft / stride);
    const insideTo = Math.min(OW, Math.floor((W - 3 + padLeft) / stride) + 1);
    const { weights: w, bias, multiplier } = at;
    const sizes = { H, W, C, OW, K, stride, padTop, padLeft, insideFrom, insideTo };
    return Array.from({ length: batch }, (_, n) => {
      const image = { x: at.x + 2 * n * H * W * C, y: at.y + 2 * n * OH * OW * K };
      const args = { ...image, w, bias, multiplier, ...sizes, lo, hi, rowFrom: 0, rowTo: OH };
      return callOf('conv3x3_i16', PARAMS, args, { splitBy: 'rowFrom', grain: 1 });
    });
  },

  emit(module: ModuleBuilder) {
    module.func('conv3x3_i16', PARAMS, emitRows);
  },
};

interface Context {
  f: FunctionBuilder;
  p: Parameters<typeof PARAMS>;
  /** Bytes of a pixel, of a row of the picture, and of a panel's weights for one row of taps. */
  pixelBytes: Local<'i32'>;
  rowBytes: Local<'i32'>;
  tapBytes: Local<'i32'>;
  /** Bytes from a pixel to that of the next output, from the end of a run of taps to the next, and from output to output. */
  distance: Local<'i32'>;
  toNextRow: Local<'i32'>;
  outBytes: Local<'i32'>;
  /** Input row and column of the first tap, and the rows of taps that are in the picture. */
  top: Local<'i32'>;
  first: Local<'i32'>;
  last: Local<'i32'>;
  left: Local<'i32'>;
  /** Where this panel's weights begin, the next pixel's first tap that is in the picture, biases, multipliers, the next output. */
  panel: Local<'i32'>;
  pixelAt: Local<'i32'>;
  biasAt: Local<'i32'>;
  multiplierAt: Local<'i32'>;
  outAt: Local<'i32'>;
  /** Output channels from these on. */
  remaining: Local<'i32'>;
  rounding: Rounding;
}

/** Rows of the output, in each of them the panels of channels, and in each of those its columns. */
function emitRows(f: FunctionBuilder, p: Parameters<typeof PARAMS>): void {
  const [pixelBytes, rowBytes, tapBytes, top, first, last, left] = f.locals('i32', 7);
  const [panel, biasAt, multiplierAt, outAt, remaining, row, column, k] = f.locals('i32', 8);
  const [distance, toNextRow, outBytes, pixelAt] = f.locals('i32', 4);
  const sizes = { pixelBytes, rowBytes, tapBytes, distance, toNextRow, outBytes, top, first, last, left };
  const rounding = enterRounding(f, p);
  const context: Context = { f, p, ...sizes, panel, pixelAt, biasAt, multiplierAt, outAt, remaining, rounding };
  f.set(pixelBytes, i32.shl(p.C, 1));
  f.set(rowBytes, i32.mul(p.W, pixelBytes));
  f.set(tapBytes, i32.mul(i32.shr_u(i32.add(i32.mul(p.C, 3), 1), 1), STEP_BYTES));
  f.set(distance, i32.mul(pixelBytes, p.stride));
  f.set(toNextRow, i32.sub(rowBytes, i32.div_u(tapBytes, STEP_BYTES / PAIR_BYTES)));
  f.set(outBytes, i32.shl(p.K, 1));

  /** Goes to a column: where its output is, and where its taps begin. */
  const goTo = (): void => {
    f.set(left, i32.sub(i32.mul(column, p.stride), p.padLeft));
    f.set(outAt, i32.add(p.y, i32.shl(i32.add(i32.mul(i32.add(i32.mul(row, p.OW), column), p.K), k), 1)));
    f.set(pixelAt, i32.add(i32.mul(i32.add(top, first), rowBytes), i32.mul(left, pixelBytes)));
    f.set(pixelAt, i32.add(p.x, pixelAt));
  };
  const borderColumns = (end: Local<'i32'>): void =>
    f.while(
      () => i32.lt_s(column, end),
      () => {
        goTo();
        borderPixel(context);
        f.increase(column, 1);
      },
    );
  const columns = (): void => {
    f.set(column, 0);
    // A last panel of fewer channels has no tiles: no MobileNetV2 has such a panel.
    const isWhole = i32.ge_s(remaining, PANEL);
    f.if(i32.and(isWhole, i32.ge_s(i32.sub(p.insideTo, p.insideFrom), WIDTH)), () => {
      borderColumns(p.insideFrom);
      goTo();
      f.while(
        () => i32.le_s(column, i32.sub(p.insideTo, WIDTH)),
        () => {
          tile(context);
          f.increase(column, WIDTH);
        },
      );
      // The last tile reaches back to be whole: what it computes once more is the same.
      f.if(i32.lt_s(column, p.insideTo), () => {
        f.set(column, i32.sub(p.insideTo, WIDTH));
        goTo();
        tile(context);
        f.set(column, p.insideTo);
      });
    });
    borderColumns(p.OW);
  };

  f.for(row, p.rowFrom, p.rowTo, 1, () => {
    f.set(top, i32.sub(i32.mul(row, p.stride), p.padTop));
    f.set(first, 0);
    f.if(i32.lt_s(top, 0), () => f.set(first, i32.sub(0, top)));
    f.set(last, i32.sub(p.H, top));
    f.if(i32.gt_s(last, 3), () => f.set(last, 3));
    f.set(panel, p.w);
    f.for(k, 0, p.K, PANEL, () => {
      f.set(biasAt, i32.add(p.bias, i32.shl(k, 2)));
      f.set(multiplierAt, i32.add(p.multiplier, i32.shl(k, 2)));
      f.set(remaining, i32.sub(p.K, k));
      columns();
      f.increase(panel, i32.mul(tapBytes, 3));
    });
  });
}

/** Four neighbors whose taps have all their columns in the picture. */
function tile(context: Context): void {
  const { f, distance, toNextRow, outBytes, tapBytes, first, last, panel, pixelAt, outAt } = context;
  const sums = Array.from({ length: WIDTH }, () => f.locals('v128', 2));
  const weights = f.locals('v128', 2);
  const pixel = f.local('v128');
  const pixels = f.locals('i32', WIDTH);
  const [r, weightAt, weightEnd] = f.locals('i32', 3);

  for (const pair of sums) loadBias(context, pair);
  f.set(pixels[0], pixelAt);
  for (let q = 1; q < WIDTH; q++) f.set(pixels[q], i32.add(pixels[q - 1], distance));
  f.set(pixelAt, i32.add(pixels[WIDTH - 1], distance));
  f.set(weightAt, i32.add(panel, i32.mul(first, tapBytes)));
  f.for(r, first, last, 1, () => {
    f.set(weightEnd, i32.add(weightAt, tapBytes));
    f.loop((again) => {
      for (const half of [0, 1]) f.set(weights[half], v128.load(weightAt, 16 * half));
      for (const [q, at] of pixels.entries()) {
        // Where 3·C is odd, the last pair reaches one word past the run; its weights are zero.
        f.set(pixel, v128.load32Splat(at));
        for (const half of [0, 1]) accumulate(f, sums[q][half], pixel, weights[half]);
        f.increase(at, PAIR_BYTES);
      }
      f.increase(weightAt, STEP_BYTES);
      f.branchIf(again, i32.ne(weightAt, weightEnd));
    });
    for (const at of pixels) f.increase(at, toNextRow);
  });
  for (const pair of sums) {
    f.store('v128.store', outAt, requantized(context, pair));
    f.increase(outAt, outBytes);
  }
}

/** One pixel, or what channels remain of it, word by word, of those columns of its taps that are in the picture. */
function borderPixel(context: Context): void {
  const { f, p, pixelBytes, rowBytes, tapBytes, top, first, last, left, panel } = context;
  const sums = f.locals('v128', 2);
  const pixel = f.local('v128');
  const [r, word, from, to, at, weightAt] = f.locals('i32', 6);

  loadBias(context, sums);
  f.set(from, 0);
  f.if(i32.lt_s(left, 0), () => f.set(from, i32.mul(i32.sub(0, left), p.C)));
  f.set(to, i32.mul(p.C, 3));
  f.if(i32.gt_s(i32.add(left, 3), p.W), () => f.set(to, i32.mul(i32.sub(p.W, left), p.C)));
  f.for(r, first, last, 1, () => {
    f.set(at, i32.add(i32.mul(i32.add(top, r), rowBytes), i32.mul(left, pixelBytes)));
    f.set(at, i32.add(p.x, i32.add(at, i32.shl(from, 1))));
    f.for(word, from, to, 1, () => {
      // Alone in its half of a pair: the lower half where the word is even, else the upper.
      const alone = i32.shl(i32.and(i32.load16S(at), 0xffff), i32.shl(i32.and(word, 1), 4));
      f.set(pixel, i32x4.splat(alone));
      f.set(weightAt, i32.add(i32.mul(r, tapBytes), i32.mul(i32.shr_u(word, 1), STEP_BYTES)));
      f.set(weightAt, i32.add(weightAt, panel));
      for (const half of [0, 1]) accumulate(f, sums[half], pixel, v128.load(weightAt, 16 * half));
      f.increase(at, 2);
    });
  });
  storeWords(f, context.outAt, requantized(context, sums), context.remaining);
}

const accumulate = (f: FunctionBuilder, sum: Local<'v128'>, a: Local<'v128'>, b: Expr<'v128'>) =>
  f.set(sum, i32x4.add(sum, i32x4.dot_i16x8_s(a, b)));

function loadBias({ f, biasAt }: Context, sums: readonly Local<'v128'>[]): void {
  for (const [half, sum] of sums.entries()) f.set(sum, v128.load(biasAt, 16 * half));
}

/** The sums as numbers of the output. */
function requantized({ f, multiplierAt, rounding }: Context, sums: readonly Local<'v128'>[]): Local<'v128'> {
  const words = f.local('v128');
  const multipliers = sums.map((_, half) => v128.load(multiplierAt, 16 * half));
  f.set(words, requantizeWords(sums, multipliers, rounding));
  return words;
}
