/**
 * Gradient of a 1×1 convolution's weights in SIMD: dYᵀ·X, a matrix product whose sums run over pixels. A register tile is 5 rows
 * of dW (channels of dY, one float each) by 8 channels of X, two vectors; it walks down the pixels with one pointer an operand.
 *
 * A block of pixels is summed from zero and then added to y, so a sum of 12544 pixels has an error as of 64 + 196, and a step
 * over many pictures does not grow worse with each. Blocks depend on the sizes alone, and so do the bits.
 */
import {
  type FunctionBuilder,
  f32x4,
  i32,
  type Local,
  type ModuleBuilder,
  type Parameters,
  typed,
  v128,
} from '../../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../../kernel.js';
import { storeLanes } from '../../wasm-vectors.js';
import type { PointwiseDwSpec } from '../spec.js';

/** Channels of X in a tile. */
const COLUMNS = 8;
/** Rows of a tile; with fused multiply-adds there is a register more. */
const PLAIN_ROWS = 4;
const RELAXED_ROWS = 5;
/** Pixels of a block, at most; all blocks of a call but the last are of one size. */
const MOST_PIXELS = 64;
/** Channels of X that a block is done for together: with a block's pixels they stay in the first-level cache. */
const CHUNK = 64;

const PARAMS = {
  ...typed('i32', 'x', 'dy', 'y'),
  ...typed('i32', 'pixels', 'block', 'C', 'K'), // block: pixels in one
  ...typed('i32', 'kFrom', 'kTo'), // rows of dW
  ...typed('i32', 'cFrom', 'cTo'), // its columns; multiples of a tile's, or C
};

export const pointwiseDwWasm: WasmKernel<PointwiseDwSpec> = {
  op: 'pointwise_dw',
  engine: 'wasm',
  supports: () => true,
  pack: (_spec, weights) => weights,

  calls({ pixels, inChannels: C, outChannels: K }, { x, other, y }) {
    const block = Math.ceil(pixels / Math.ceil(pixels / MOST_PIXELS));
    const args = { x, dy: other, y, pixels, block, C, K, kFrom: 0, kTo: K, cFrom: 0, cTo: C };
    // Threads share the larger of the two tensors, and read all of the smaller.
    const split = K >= C ? ({ splitBy: 'kFrom', grain: 1 } as const) : ({ splitBy: 'cFrom', grain: COLUMNS } as const);
    return [callOf('pointwise_dw', PARAMS, args, split)];
  },

  emit(module: ModuleBuilder) {
    module.func('pointwise_dw', PARAMS, (f, p) => emitBlocks(f, p, module.relaxed));
  },
};

/** What a tile needs to know. */
interface Context extends Parameters<typeof PARAMS> {
  f: FunctionBuilder;
  /** Bytes of a pixel of x, which is a row of dW, too; and of dy. */
  xBytes: Local<'i32'>;
  dyBytes: Local<'i32'>;
  /** The first pixel of the block in both, and how many bytes of x there are. */
  xBlock: Local<'i32'>;
  dyBlock: Local<'i32'>;
  blockBytes: Local<'i32'>;
  /** First row and column of the tile. */
  row: Local<'i32'>;
  column: Local<'i32'>;
}

/** Blocks of pixels, in each of them chunks of columns, and in those all rows, as many at a time as a tile has. */
function emitBlocks(f: FunctionBuilder, p: Parameters<typeof PARAMS>, relaxed: boolean): void {
  const [xBytes, dyBytes, xBlock, dyBlock, blockBytes, row, column] = f.locals('i32', 7);
  const context: Context = { f, ...p, xBytes, dyBytes, xBlock, dyBlock, blockBytes, row, column };
  const [from, chunk, chunkTo, fivesTo] = f.locals('i32', 4);
  f.set(xBytes, i32.shl(p.C, 2));
  f.set(dyBytes, i32.shl(p.K, 2));
  f.set(xBlock, p.x);
  f.set(dyBlock, p.dy);

  /** Tiles of so many rows, as long as there are as many until `end`. */
  const tiles = (rows: number, end: Local<'i32'>): void => {
    f.while(
      () => i32.ge_s(i32.sub(end, row), rows),
      () => {
        f.for(column, chunk, chunkTo, COLUMNS, () => tile(context, rows));
        f.increase(row, rows);
      },
    );
  };

  f.for(from, 0, p.pixels, p.block, () => {
    f.set(blockBytes, i32.sub(p.pixels, from));
    f.if(i32.gt_s(blockBytes, p.block), () => f.set(blockBytes, p.block));
    f.set(blockBytes, i32.mul(blockBytes, xBytes));
    f.for(chunk, p.cFrom, p.cTo, CHUNK, () => {
      f.set(chunkTo, i32.add(chunk, CHUNK));
      f.if(i32.gt_s(chunkTo, p.cTo), () => f.set(chunkTo, p.cTo));
      f.set(row, p.kFrom);
      if (relaxed) {
        // As many fours as it takes for the rest to be fives: 24 are 4 × 5 + 4, 32 are 4 × 5 + 3 × 4.
        f.set(fivesTo, i32.sub(p.kTo, p.kFrom));
        f.set(fivesTo, i32.rem_u(i32.sub(RELAXED_ROWS, i32.rem_u(fivesTo, RELAXED_ROWS)), RELAXED_ROWS));
        f.set(fivesTo, i32.sub(p.kTo, i32.mul(fivesTo, PLAIN_ROWS)));
        tiles(RELAXED_ROWS, fivesTo);
      }
      for (const rows of [PLAIN_ROWS, 2, 1]) tiles(rows, p.kTo);
    });
    f.increase(xBlock, blockBytes);
    f.increase(dyBlock, i32.mul(dyBytes, p.block));
  });
}

/** The sums of a block's pixels for `rows` rows of dW, from `row` on, and eight columns. */
function tile(context: Context, rows: number): void {
  const { f, y, C, xBytes, dyBytes, xBlock, dyBlock, blockBytes, row, column } = context;
  const vectors = COLUMNS / 4;
  const sums = Array.from({ length: rows }, () => f.locals('v128', vectors));
  const pixels = f.locals('v128', vectors);
  const gradient = f.local('v128');
  const [xAt, dyAt, xEnd, to, left] = f.locals('i32', 5);

  for (const sum of sums.flat()) f.set(sum, v128.const(0, 0, 0, 0));
  f.set(xAt, i32.add(xBlock, i32.shl(column, 2)));
  f.set(dyAt, i32.add(dyBlock, i32.shl(row, 2)));
  f.set(xEnd, i32.add(xAt, blockBytes));
  f.loop((again) => {
    // Beyond the last channel are those of the next pixel, or what comes after x: nothing of them is stored.
    for (let v = 0; v < vectors; v++) f.set(pixels[v], v128.load(xAt, 16 * v));
    for (let r = 0; r < rows; r++) {
      f.set(gradient, v128.load32Splat(dyAt, 4 * r));
      for (let v = 0; v < vectors; v++) f.set(sums[r][v], f.mulAdd(sums[r][v], gradient, pixels[v]));
    }
    f.increase(dyAt, dyBytes);
    f.increase(xAt, xBytes);
    f.branchIf(again, i32.ne(xAt, xEnd));
  });

  f.set(to, i32.add(y, i32.add(i32.mul(row, xBytes), i32.shl(column, 2))));
  f.set(left, i32.sub(C, column));
  for (let r = 0; r < rows; r++) {
    for (const [v, sum] of sums[r].entries()) f.set(sum, f32x4.add(v128.load(to, 16 * v), sum));
    storeLanes(f, to, sums[r], left);
    f.increase(to, xBytes);
  }
}
