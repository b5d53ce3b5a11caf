/**
 * 1×1 convolution of whole numbers in SIMD. One instruction multiplies eight pairs of words and adds each two neighbors, so that
 * weights are packed two input channels side by side: in panels of 8 output channels [C/2][8][2]. A tile of 4 pixels by 8
 * channels keeps eight vectors of sums and walks down C once, two channels a step.
 */
import {
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
import type { PointwiseI16Spec } from '../spec.js';
import { BOUNDS, enterRounding, PANEL, packPairs, type Rounding, requantizeWords, storeWords } from '../wasm-i16.js';

/**
 * Pixels of the tiles that do most of the work. All pointwise layers of 1.0 at 224, each by itself, on a Zen 4 in Node 20 and 24:
 * 6.82 ms in both; of 3 pixels 7.1; of 5 9.9 and 6.7, as Node 20 has too few registers for them; of 6 8.8 in both; of 2 pixels
 * by 16 channels 7.1 and 7.0. Two steps a round, with an end between them, are as fast as one.
 */
const HEIGHT = 4;
/** Bytes of pixels that one round over all panels reads again and again. */
const BLOCK_BYTES = 128 * 1024;
/** Vectors of a panel's sums. */
const VECTORS = PANEL / 4;
/** Below so many pixels threads share the channels instead (pointwise/wasm.ts). */
const FEW_PIXELS = 64;
const BY_PIXELS = { splitBy: 'rowFrom', grain: HEIGHT } as const;
const BY_CHANNELS = { splitBy: 'colFrom', grain: PANEL } as const;

/**
 * So many weights of i8 become i16 when they are packed. Widening them in the loop takes 2 of 18 instructions on vectors, but
 * the weights of deep layers, most of a network's, are used by few pixels and come from memory, where i8 are half as many
 * bytes. All of 1.0 at 224, in order, on a Zen 4: 7.50 ms with i8 alone, 7.28 with i16 alone, 7.23 with this, of 3.8 MB.
 */
const MOST_WIDENED = 65536;

type Width = PointwiseI16Spec['weights'];
const functionName = (weights: Width): string => `pointwise_i16_${weights}`;
/** The type of packed weights. */
const widthOf = ({ inChannels: C, outChannels: K, weights }: PointwiseI16Spec): Width =>
  C * K <= MOST_WIDENED ? 'i16' : weights;

const PARAMS = {
  ...typed('i32', 'x', 'w', 'bias', 'multiplier', 'y'),
  ...typed('i32', 'C', 'K', 'block'), // block: pixels in one
  ...BOUNDS,
  ...typed('i32', 'rowFrom', 'rowTo'), // pixels
  ...typed('i32', 'colFrom', 'colTo'), // output channels; multiples of a panel, or K
};

export const pointwiseI16Wasm: I16WasmKernel<PointwiseI16Spec> = {
  op: 'pointwise',
  engine: 'wasm',
  supports: () => true,

  /** [K,C] → panels [C/2][8][2] of 8 output channels. */
  pack(spec, weights) {
    const given = widthOf(spec) === spec.weights ? weights : new Int16Array(weights);
    return packPairs(given, spec.outChannels, spec.inChannels);
  },

  calls(spec, at) {
    const { batch, pixels, inChannels: C, outChannels: K, lo, hi } = spec;
    const block = Math.max(HEIGHT, Math.floor(BLOCK_BYTES / (2 * C) / HEIGHT) * HEIGHT);
    // Pixels of all images are one long list, unless every image brings a bias of its own.
    const images = spec.biasPerImage ? batch : 1;
    const rows = spec.biasPerImage ? pixels : batch * pixels;
    const bounds = { lo, hi, rowFrom: 0, rowTo: rows, colFrom: 0, colTo: K };
    const split = rows < FEW_PIXELS ? BY_CHANNELS : BY_PIXELS;
    return Array.from({ length: images }, (_, n) => {
      const image = { x: at.x + 2 * n * rows * C, y: at.y + 2 * n * rows * K, bias: at.bias + 4 * n * K };
      const args = { ...image, w: at.weights, multiplier: at.multiplier, C, K, block, ...bounds };
      return callOf(functionName(widthOf(spec)), PARAMS, args, split);
    });
  },

  emit(module: ModuleBuilder) {
    for (const weights of ['i8', 'i16'] as const) {
      module.func(functionName(weights), PARAMS, (f, p) => emitBlocks(f, p, weights));
    }
  },
};

/** What a tile reads and moves on. */
interface Context {
  f: FunctionBuilder;
  weights: Width;
  /** The next pixel. */
  pixelAt: Local<'i32'>;
  /** The panel's weights, and how many bytes they are. */
  panel: Local<'i32'>;
  panelBytes: Local<'i32'>;
  /** The next output at these channels. */
  outAt: Local<'i32'>;
  biasAt: Local<'i32'>;
  multiplierAt: Local<'i32'>;
  rowBytes: Local<'i32'>;
  outBytes: Local<'i32'>;
  rounding: Rounding;
  /** Output channels from these on. */
  left: Local<'i32'>;
}

/** Bytes of a panel's weights of one pair of input channels. */
const stepBytes = (weights: Width): number => 2 * PANEL * (weights === 'i8' ? 1 : 2);

/** Blocks of pixels, in each of them all panels of channels, and in each of those the tiles of the block. */
function emitBlocks(f: FunctionBuilder, p: Parameters<typeof PARAMS>, weights: Width): void {
  const [rowBytes, outBytes, panelBytes, blockFrom, blockTo, blockEnd, column, needed] = f.locals('i32', 8);
  const [pixelAt, panel, outAt, biasAt, multiplierAt, left] = f.locals('i32', 6);
  const addresses = { pixelAt, panel, panelBytes, outAt, biasAt, multiplierAt };
  const context: Context = { f, weights, ...addresses, rowBytes, outBytes, rounding: enterRounding(f, p), left };
  f.set(rowBytes, i32.shl(p.C, 1));
  f.set(outBytes, i32.shl(p.K, 1));
  f.set(panelBytes, i32.mul(i32.shr_u(i32.add(p.C, 1), 1), stepBytes(weights)));

  /** Goes to the first pixel of the block, at the first channel of a panel. */
  const enterPanel = (): void => {
    f.set(left, i32.sub(p.K, column));
    f.set(biasAt, i32.add(p.bias, i32.shl(column, 2)));
    f.set(multiplierAt, i32.add(p.multiplier, i32.shl(column, 2)));
    f.set(pixelAt, i32.add(p.x, i32.mul(blockFrom, rowBytes)));
    f.set(outAt, i32.add(p.y, i32.add(i32.mul(blockFrom, outBytes), i32.shl(column, 1))));
    f.set(panel, i32.add(p.w, i32.mul(i32.shr_u(column, 3), panelBytes)));
  };
  /** As many tiles as there is room for. */
  const tiles = (height: number, whole: boolean): void => {
    f.set(needed, i32.mul(rowBytes, height));
    f.while(
      () => i32.ge_u(i32.sub(blockEnd, pixelAt), needed),
      () => tile(context, height, whole),
    );
  };

  f.for(blockFrom, p.rowFrom, p.rowTo, p.block, () => {
    f.set(blockTo, i32.add(blockFrom, p.block));
    f.if(i32.gt_s(blockTo, p.rowTo), () => f.set(blockTo, p.rowTo));
    f.set(blockEnd, i32.add(p.x, i32.mul(blockTo, rowBytes)));
    f.for(column, p.colFrom, p.colTo, PANEL, () => {
      enterPanel();
      // Channels are counted here, not at every store: 12544×16→96 takes 0.638 ms, and took 0.678.
      f.if(
        i32.ge_s(left, PANEL),
        () => {
          tiles(HEIGHT, true);
          tiles(1, true);
        },
        () => tiles(1, false),
      );
    });
  });
}

/**
 * The next `height` pixels by the channels of a panel, which are all there where it is `whole`. The loop counts by the address of
 * its weights alone, and is not unrolled here, as in pointwise/wasm.ts. (A single pixel, the classifier's, by two panels at
 * once takes 0.043 ms instead of 0.044.)
 */
function tile(context: Context, height: number, whole: boolean): void {
  const { f, pixelAt, panel, panelBytes, outAt, biasAt, multiplierAt, rowBytes, outBytes, rounding, left } = context;
  const step = stepBytes(context.weights);
  const sums = Array.from({ length: height }, () => f.locals('v128', VECTORS));
  const weights = f.locals('v128', VECTORS);
  const multipliers = f.locals('v128', VECTORS);
  const [pixel, words] = f.locals('v128', 2);
  const pixels = [pixelAt, ...f.locals('i32', height - 1)];
  const [weightAt, weightEnd, after] = f.locals('i32', 3);
  const load = (v: number) => (context.weights === 'i8' ? v128.load8x8s(weightAt, 8 * v) : v128.load(weightAt, 16 * v));

  for (let v = 0; v < VECTORS; v++) f.set(sums[0][v], v128.load(biasAt, 16 * v));
  for (let r = 1; r < height; r++) for (let v = 0; v < VECTORS; v++) f.set(sums[r][v], sums[0][v]);
  for (let r = 1; r < height; r++) f.set(pixels[r], i32.add(pixels[r - 1], rowBytes));
  f.set(after, i32.add(pixels[height - 1], rowBytes));
  f.set(weightAt, panel);
  f.set(weightEnd, i32.add(panel, panelBytes));
  f.loop((again) => {
    for (let v = 0; v < VECTORS; v++) f.set(weights[v], load(v));
    for (let r = 0; r < height; r++) {
      // Of an odd C the last pair reaches one word past the pixel. Its weights are zero, and after every buffer there is slack.
      f.set(pixel, v128.load32Splat(pixels[r]));
      for (let v = 0; v < VECTORS; v++) f.set(sums[r][v], i32x4.add(sums[r][v], i32x4.dot_i16x8_s(pixel, weights[v])));
      f.increase(pixels[r], 4);
    }
    f.increase(weightAt, step);
    f.branchIf(again, i32.ne(weightAt, weightEnd));
  });
  f.set(pixelAt, after);

  // May read past the last channel: those lanes are not stored, and there is slack.
  for (let v = 0; v < VECTORS; v++) f.set(multipliers[v], v128.load(multiplierAt, 16 * v));
  for (let r = 0; r < height; r++) {
    f.set(words, requantizeWords(sums[r], multipliers, rounding));
    if (whole) f.store('v128.store', outAt, words);
    else storeWords(f, outAt, words, left);
    f.increase(outAt, outBytes);
  }
}
