/**
 * 1×1 convolution as a matrix product in SIMD. Weights are packed in panels of 16 output channels; a register tile of
 * 2 pixels by 16 channels keeps eight sums and walks down C once, reading four vectors of weights and two pixels a step.
 */
import {
  type Expr,
  type FunctionBuilder,
  f32x4,
  i32,
  type Local,
  type ModuleBuilder,
  type Operand,
  type Parameters,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import { callOf, type WasmKernel } from '../kernel.js';
import { clampBounds, type PointwiseSpec } from '../spec.js';
import { clamp, storeLanes } from '../wasm-vectors.js';

/** Output channels of a panel. */
export const PANEL = 16;
/** A last panel of at most this many channels is packed half as wide. */
const HALF = 8;
/** Bytes from one input channel to the next in a whole panel, and in a half. */
const WHOLE_STEP = PANEL * 4;
const HALF_STEP = HALF * 4;
/** Bytes of pixels that one round over all panels reads again and again: half of a small second-level cache. */
const BLOCK_BYTES = 128 * 1024;
/**
 * The next panel is read ahead where two of them, 64 bytes a channel, fit into half of a small first-level cache. Where
 * they crowd out the pixels it is worse than what the processor fetches by itself: 49×160→960 took 0.339 ms with, takes
 * 0.321 without on a Zen 3, though it gained 5 % on another machine.
 */
const MOST_AHEAD = 128;
/**
 * Below so many pixels threads share the channels instead, so that each reads its part of the weights once, and not all
 * of them for every handful of pixels: two take 4 % less for 1.0 at 224, 6 % at 96.
 */
const FEW_PIXELS = 64;
const BY_PIXELS = { splitBy: 'rowFrom', grain: 4 } as const;
/** Pixels of the tiles that do most of the work. */
const PLAIN_HEIGHT = 2;
const RELAXED_HEIGHT = 6;
/** Bytes of a cache line. */
const LINE = 64;

/** Where panel `column` begins and how wide it is. */
export const panelWidth = (column: number, channels: number): number => (channels - column <= HALF ? HALF : PANEL);

export const POINTWISE_PARAMS = {
  ...typed('i32', 'x', 'w', 'bias', 'residual', 'y'), // residual: 0 for none
  ...typed('i32', 'C', 'K', 'block'), // block: pixels in one
  ...typed('f32', 'lo', 'hi'), // bounds of the activation
  ...typed('i32', 'rowFrom', 'rowTo'), // pixels
  ...typed('i32', 'colFrom', 'colTo'), // output channels; multiples of a panel, or K
};

export const pointwiseWasm: WasmKernel<PointwiseSpec> = {
  op: 'pointwise',
  engine: 'wasm',
  supports: () => true,

  /** [K,C] → panels [C][16], the last one [C][8] where that is enough; missing channels are zero. */
  pack({ inChannels: C, outChannels: K }, weights, scale = null, room = (length) => new Float32Array(length)) {
    const panels: number[] = [];
    for (let column = 0; column < K; column += PANEL) panels.push(panelWidth(column, K));
    const packed = room(C * panels.reduce((sum, width) => sum + width, 0));
    const row = (k: number): number => C * Math.min(k, K - 1);
    const factor = (k: number): number => (k < K ? (scale?.[k] ?? 1) : 0);
    let to = 0;
    for (const [panel, width] of panels.entries()) {
      for (let lane = 0; lane < width; lane += 4) {
        const ks = [0, 1, 2, 3].map((i) => panel * PANEL + lane + i);
        packFour(weights, ks.map(row), ks.map(factor), C, packed, to + lane, width);
      }
      to += C * width;
    }
    return packed;
  },

  calls(spec, at) {
    const { batch, pixels, inChannels: C, outChannels: K } = spec;
    const { lo, hi } = clampBounds(spec.activation);
    const block = Math.max(4, Math.floor(BLOCK_BYTES / (4 * C) / 4) * 4);
    // Pixels of all images are one long list, unless every image brings a bias of its own.
    const images = spec.biasPerImage ? batch : 1;
    const rows = spec.biasPerImage ? pixels : batch * pixels;
    const bounds = { lo, hi, rowFrom: 0, rowTo: rows, colFrom: 0, colTo: K };
    const split = rows < FEW_PIXELS ? ({ splitBy: 'colFrom', grain: PANEL } as const) : BY_PIXELS;
    return Array.from({ length: images }, (_, n) => {
      const x = at.x + 4 * n * rows * C;
      const y = at.y + 4 * n * rows * K;
      const residual = spec.residual ? at.residual + 4 * n * rows * K : 0;
      const bias = at.bias + 4 * n * K * Number(spec.biasPerImage);
      return callOf(
        'pointwise',
        POINTWISE_PARAMS,
        { x, w: at.weights, bias, residual, y, C, K, block, ...bounds },
        split,
      );
    });
  },

  emit(module: ModuleBuilder) {
    module.func('pointwise', POINTWISE_PARAMS, (f, p) => {
      const [low, high] = f.locals('v128', 2);
      f.set(low, f32x4.splat(p.lo));
      f.set(high, f32x4.splat(p.hi));
      emitPointwise(f, p, module.relaxed, (sum) => clamp(sum, low, high));
    });
  },
};

/**
 * Four rows of weights, times their factors, into four lanes of a panel. A model's first picture waits for this: the
 * 14 MB of 1.0 at 224 take 16 ms in Node 24, 9 of them for memory that is touched for the first time. Scaled to a place
 * between and packed lane by lane they took 21.
 */
function packFour(
  weights: Float32Array,
  [a, b, c, d]: number[],
  [ofA, ofB, ofC, ofD]: number[],
  length: number,
  packed: Float32Array,
  to: number,
  width: number,
): void {
  for (let i = 0; i < length; i++) {
    packed[to] = weights[a + i] * ofA;
    packed[to + 1] = weights[b + i] * ofB;
    packed[to + 2] = weights[c + i] * ofC;
    packed[to + 3] = weights[d + i] * ofD;
    to += width;
  }
}

/** What a tile reads and moves on. */
interface Context {
  f: FunctionBuilder;
  /** The next pixel. */
  pixelAt: Local<'i32'>;
  /** Where the weights of the tile's first input channel lie in their panel. */
  weightsAt: Local<'i32'>;
  /** The next output at these channels, and the way from there to its residual. */
  outAt: Local<'i32'>;
  toResidual: Local<'i32'>;
  /** 0 for none. */
  residual: Local<'i32'>;
  biasAt: Local<'i32'>;
  rowBytes: Local<'i32'>;
  outBytes: Local<'i32'>;
  finish: Finish;
  /** Output channels from these on. */
  left: Local<'i32'>;
}

/** What becomes of a sum, given the address that it is stored at, and a constant to add. */
type Finish = (sum: Expr<'v128'>, at: Local<'i32'>, offset: number) => Expr<'v128'>;

/**
 * Blocks of pixels, in each of them all panels of channels, and in each of those the tiles of the block. What lives through the
 * whole function is declared first; the functions inside are its levels, the outermost last.
 */
export function emitPointwise(
  f: FunctionBuilder,
  p: Parameters<typeof POINTWISE_PARAMS>,
  relaxed: boolean,
  finish: Finish,
): void {
  const [rowBytes, outBytes, blockFrom, blockTo, blockEnd, column, panel] = f.locals('i32', 7);
  f.set(rowBytes, i32.shl(p.C, 2));
  f.set(outBytes, i32.shl(p.K, 2));
  const [pixelAt, outAt, biasAt, weightsAt, toResidual, left] = f.locals('i32', 6);
  f.set(toResidual, i32.sub(p.residual, p.y));
  const step = f.local('i32'); // bytes from one input channel to the next in the panel
  const [next, nextEnd, weightsEnd, portion, needed, offset, sixesEnd] = f.locals('i32', 7);
  f.set(weightsEnd, i32.add(p.w, i32.mul(rowBytes, i32.and(i32.add(p.K, HALF - 1), -HALF))));
  const addresses = { pixelAt, weightsAt, outAt, biasAt, residual: p.residual, toResidual };
  const context: Context = { f, ...addresses, rowBytes, outBytes, finish, left };

  /** Goes to the block's first pixel, and to `from` floats after the beginning of the panel. */
  const goTo = (from: Operand<'i32'>): void => {
    f.set(left, i32.sub(i32.sub(p.K, column), from));
    f.set(biasAt, i32.add(p.bias, i32.shl(i32.add(column, from), 2)));
    f.set(outAt, i32.add(i32.mul(blockFrom, outBytes), i32.shl(i32.add(column, from), 2)));
    f.set(outAt, i32.add(p.y, outAt));
    f.set(weightsAt, i32.add(panel, i32.shl(from, 2)));
    f.set(pixelAt, i32.add(p.x, i32.mul(blockFrom, rowBytes)));
  };

  /** As many tiles as there is room for until `end`. Those that do most of the work read a portion of the next panel ahead. */
  const tiles = (height: number, channels: number, bytes: Operand<'i32'>, end = blockEnd, ahead = false): void => {
    f.set(needed, i32.mul(rowBytes, height));
    f.while(
      () => i32.ge_u(i32.sub(end, pixelAt), needed),
      () => {
        if (ahead) readAhead(f, next, nextEnd, portion);
        tile(context, height, channels / 4, bytes);
      },
    );
  };

  /** Without relaxed SIMD: tiles of 2×16, of 4×8 in a half panel, and the last pixels one by one. */
  const plainTiles = (isWhole: Expr<'i32'>): void => {
    f.if(
      isWhole,
      () => {
        goTo(0);
        tiles(PLAIN_HEIGHT, PANEL, WHOLE_STEP, blockEnd, true);
        tiles(1, PANEL, WHOLE_STEP);
      },
      () => {
        goTo(0);
        tiles(4, HALF, HALF_STEP);
        tiles(1, HALF, HALF_STEP);
      },
    );
  };

  /**
   * With fused multiply-adds there is room for a tile of 6×8, at half a panel: 97 % of the peak, where 2×16 has 92. The rest of
   * a block are tiles of 5×8, which is as good.
   */
  const mainTiles = (isWhole: Expr<'i32'>): void => {
    f.set(step, HALF_STEP);
    f.if(isWhole, () => f.set(step, WHOLE_STEP));
    f.for(offset, 0, i32.shr_u(step, 2), HALF, () => {
      goTo(offset);
      tiles(RELAXED_HEIGHT, HALF, step, sixesEnd, true);
      tiles(5, HALF, step);
    });
    f.set(offset, pixelAt);
  };

  /** The pixels that sixes and fives have left, where a block has too few for them. */
  const restAfterMain = (isWhole: Expr<'i32'>): void => {
    const goToRest = () => {
      goTo(0);
      f.increase(outAt, i32.mul(i32.div_u(i32.sub(offset, pixelAt), rowBytes), outBytes));
      f.set(pixelAt, offset);
    };
    f.if(
      isWhole,
      () => {
        goToRest();
        tiles(2, PANEL, WHOLE_STEP);
        tiles(1, PANEL, WHOLE_STEP);
      },
      () => {
        goToRest();
        tiles(1, HALF, HALF_STEP);
      },
    );
  };

  /** Finds the panel that comes next. */
  const enterPanel = (): void => {
    f.set(next, i32.add(panel, i32.mul(rowBytes, PANEL)));
    f.set(nextEnd, i32.add(next, i32.mul(rowBytes, PANEL)));
    f.if(i32.gt_u(nextEnd, weightsEnd), () => f.set(nextEnd, weightsEnd));
  };

  /** Finds the block's end, and how much of the next panel each of its main tiles should read ahead. */
  const enterBlock = (): void => {
    f.set(blockTo, i32.add(blockFrom, p.block));
    f.if(i32.gt_s(blockTo, p.rowTo), () => f.set(blockTo, p.rowTo));
    f.set(blockEnd, i32.add(p.x, i32.mul(blockTo, rowBytes)));
    f.set(panel, i32.add(p.w, i32.mul(p.colFrom, rowBytes)));
    const pixels = i32.sub(blockTo, blockFrom);
    if (relaxed) {
      // As many fives as it takes for the rest to be sixes, where there is room for them: 49 are 4 × 6 + 5 × 5.
      f.set(needed, i32.mul(i32.rem_u(i32.sub(6, i32.rem_u(pixels, 6)), 6), 5));
      f.if(i32.gt_s(needed, pixels), () => f.set(needed, 0));
      f.set(sixesEnd, i32.sub(blockEnd, i32.mul(needed, rowBytes)));
    }
    // A main tile comes round once for so many pixels; with relaxed SIMD twice, once for each half of the panel.
    f.set(portion, i32.div_u(i32.mul(p.C, relaxed ? RELAXED_HEIGHT / 2 : PLAIN_HEIGHT), pixels));
    f.set(portion, i32.mul(i32.add(portion, 1), i32.mul(i32.le_s(p.C, MOST_AHEAD), LINE)));
  };

  f.for(blockFrom, p.rowFrom, p.rowTo, p.block, () => {
    enterBlock();
    f.for(column, p.colFrom, p.colTo, PANEL, () => {
      enterPanel();
      const isWhole = i32.gt_s(i32.sub(p.K, column), HALF);
      if (relaxed) {
        mainTiles(isWhole);
        restAfterMain(isWhole);
      } else plainTiles(isWhole);
      f.increase(panel, i32.mul(rowBytes, PANEL));
    });
  });
}

/**
 * Reads a portion of the next panel, a line at a time, so that it is in the cache when its turn comes: weights of deep
 * layers are used by few pixels, and come from memory. It gains little (bench/README.md, "Small differences").
 */
function readAhead(f: FunctionBuilder, next: Local<'i32'>, nextEnd: Local<'i32'>, portion: Local<'i32'>): void {
  const [stop, unused] = f.locals('i32', 2);
  f.set(stop, i32.add(next, portion));
  f.if(i32.gt_u(stop, nextEnd), () => f.set(stop, nextEnd));
  f.while(
    () => i32.lt_u(next, stop),
    () => {
      f.set(unused, i32.load(next));
      f.increase(next, LINE);
    },
  );
}

/**
 * The next `height` pixels by `vectors`·4 channels of a panel, in which an input channel is `step` bytes from the next.
 * The loop counts by the address of its weights alone, and is not unrolled here: V8 does that, and of a longer body it
 * would gather all loads at the top, more than registers can hold. By hand, two steps a round run at 20 GMAC/s instead
 * of 31. In Node 20 a step that is not a constant costs 7 %, and so does one more local that is needed after the loop.
 */
function tile(context: Context, height: number, vectors: number, step: Operand<'i32'>): void {
  const { f, pixelAt, weightsAt, outAt, biasAt, residual, toResidual, rowBytes, outBytes, finish, left } = context;
  const sums = Array.from({ length: height }, () => f.locals('v128', vectors));
  const weights = f.locals('v128', vectors);
  const pixel = f.local('v128');
  const pixels = [pixelAt, ...f.locals('i32', height - 1)];
  const [weightAt, weightEnd, from] = f.locals('i32', 3);

  for (let v = 0; v < vectors; v++) f.set(sums[0][v], v128.load(biasAt, 16 * v));
  for (let r = 1; r < height; r++) for (let v = 0; v < vectors; v++) f.set(sums[r][v], sums[0][v]);
  for (let r = 1; r < height; r++) f.set(pixels[r], i32.add(pixels[r - 1], rowBytes));
  f.set(weightAt, weightsAt);
  const panelBytes = typeof step === 'number' ? i32.mul(rowBytes, step / 4) : i32.mul(i32.shr_u(rowBytes, 2), step);
  f.set(weightEnd, i32.add(weightAt, panelBytes));
  f.loop((again) => {
    for (let v = 0; v < vectors; v++) f.set(weights[v], v128.load(weightAt, 16 * v));
    for (let r = 0; r < height; r++) {
      f.set(pixel, v128.load32Splat(pixels[r]));
      for (let v = 0; v < vectors; v++) f.set(sums[r][v], f.mulAdd(sums[r][v], pixel, weights[v]));
      f.increase(pixels[r], 4);
    }
    f.increase(weightAt, step);
    f.branchIf(again, i32.ne(weightAt, weightEnd));
  });
  f.set(pixelAt, pixels[height - 1]); // it has arrived at the next

  f.if(residual, () => {
    f.set(from, i32.add(outAt, toResidual));
    for (let r = 0; r < height; r++) {
      // May read past the row's end: those lanes are not stored, and memory has slack after the last buffer.
      for (let v = 0; v < vectors; v++) f.set(sums[r][v], f32x4.add(sums[r][v], v128.load(from, 16 * v)));
      f.increase(from, outBytes);
    }
  });
  for (let r = 0; r < height; r++) {
    for (const [v, sum] of sums[r].entries()) f.set(sum, finish(sum, outAt, 16 * v));
    storeLanes(f, outAt, sums[r], left);
    f.increase(outAt, outBytes);
  }
}
