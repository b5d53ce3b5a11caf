/**
 * The way of an emitted 3×3 depthwise convolution over a picture, whatever its numbers are (wasm.ts, wasm-i16.ts): four channels
 * at a time. For a row of output the weights stay in registers, and a window slides along the columns: each column of input
 * is read once and added to the three outputs it belongs to. Columns outside the picture are not visited, rows outside it
 * point to a line of zeros.
 *
 * With dilation d, columns d apart form d interleaved rows, and each of them is such a row of its own.
 */
import {
  type Expr,
  type FunctionBuilder,
  i32,
  type Local,
  type Parameters,
  typed,
  v128,
} from '../../tensor/wasm/assembler.js';
import type { DepthwiseI16Spec, DepthwiseSpec } from '../spec.js';
import { vectorAt } from '../wasm-vectors.js';

export const STRIP_PARAMS = {
  ...typed('i32', 'x', 'w', 'bias', 'y'), // one image
  ...typed('i32', 'H', 'W', 'C', 'OW'),
  ...typed('i32', 'padTop', 'padLeft', 'dilation'),
  ...typed('i32', 'held', 'zeros'), // held: rows that x holds; row h is at h mod that
  ...typed('i32', 'band', 'strip', 'block'), // output rows, output columns, channels that are done together
  ...typed('i32', 'rowFrom', 'rowTo'), // of the output
};

/** Channels of a vector. */
export const LANES = 4;

/** First channel of every group of four. The last group reaches back into the one before it to be whole. */
export function groups(channels: number): number[] {
  return Array.from({ length: Math.ceil(channels / LANES) }, (_, g) => Math.min(LANES * g, channels - LANES));
}

/** What both kinds of numbers can do. */
export const inStrips = ({ channels, stride, dilation, padLeft }: DepthwiseSpec | DepthwiseI16Spec): boolean =>
  channels >= LANES && padLeft <= dilation && (stride === 1 || dilation === 1);

/**
 * Four channels touch a whole cache line of every pixel. A row is therefore done for the vectors of a line before
 * the next row, while its lines are in the first-level cache, and a band of rows for one line's channels before the next
 * line's. A band's lines should stay in that cache, so wide rows are done in strips. Reading weights anew for each row
 * is cheap: when a band was done for four channels before the next four, all of 1.0 at 224 took 1.84 ms, now 1.44; where
 * pixels are a multiple of 512 bytes apart, few lines fit into the cache together: 14×14×384 took 0.069 ms, now 0.047.
 */
const BAND_BYTES = 24 * 1024;
const LINE_BYTES = 64;
/** Of float32; of whole numbers twice as many: 65×65×192 takes 0.466 ms, in two strips 0.491. */
const STRIP_COLUMNS = 64;
/**
 * Rows of so few columns are done for all channels before the next row: 7×7×960 takes 0.027 ms, by lines 0.031, and
 * 33×33×480 at dilation 4 takes 0.31 ms, by lines 0.36.
 */
const NARROW_COLUMNS = 14;

/** Arguments for the images of a spec: all but what is read of one image, and bounds. */
export function stripSizes(spec: DepthwiseSpec | DepthwiseI16Spec, elementBytes: number, zeros: number) {
  const { inHeight: H, inWidth: W, channels: C, outHeight, outWidth: OW } = spec;
  const { stride, dilation, padTop, padLeft, rowsHeld: held = H } = spec;
  const strip = Math.ceil(OW / Math.ceil((OW * stride) / (STRIP_COLUMNS * (4 / elementBytes))));
  const band = Math.max(1, Math.floor((BAND_BYTES / (strip * stride * LINE_BYTES) - 2) / stride));
  const block = Math.ceil(OW / dilation) * stride <= NARROW_COLUMNS ? C : LINE_BYTES / elementBytes;
  return { H, W, C, OW, padTop, padLeft, dilation, held, zeros, band, strip, block, rowFrom: 0, rowTo: outHeight };
}

/** Numbers of a type: what lies in memory, and how to compute with four of them at a time. */
export interface Elements {
  /** Bytes of a number of x and of y, as a power of two. */
  shift: 1 | 2;
  /** Vectors of weights of four channels. */
  weightVectors: number;
  /** The pixels of a column, of which each row's is at an address. */
  load(rows: readonly Local<'i32'>[]): Expr<'v128'>[];
  /** A sum and the products of a column with the weights' column s. */
  add(sum: Expr<'v128'>, pixels: readonly Expr<'v128'>[], weights: readonly Expr<'v128'>[], s: number): Expr<'v128'>;
  /** Reads what else there is for four channels; their numbers of 32 bits are `offset` bytes from the first. */
  enter?(offset: Local<'i32'>): void;
  store(address: Local<'i32'>, sum: Expr<'v128'>): void;
}

/**
 * Strips of columns, in each of them bands of rows, blocks of channels, rows, and vectors of channels along a row. What lives
 * through the whole function is declared first; the functions inside are its levels, the outermost last.
 */
export function emitStrips(
  f: FunctionBuilder,
  p: Parameters<typeof STRIP_PARAMS>,
  stride: 1 | 2,
  elements: Elements,
): void {
  const [pixelBytes, rowBytes, outRowBytes, step] = f.locals('i32', 4);
  f.set(pixelBytes, i32.shl(p.C, elements.shift));
  f.set(rowBytes, i32.mul(p.W, pixelBytes));
  f.set(outRowBytes, i32.mul(p.OW, pixelBytes));
  f.set(step, i32.mul(pixelBytes, p.dilation));

  const start = f.local('v128');
  const weights = f.locals('v128', elements.weightVectors);
  const rows = f.locals('i32', 3); // the next pixel of each row of taps
  const steps = f.locals('i32', 3); // bytes from it to the one after; 0 in a row of zeros
  const bases = f.locals('i32', 3); // the first pixel of each row
  const inside = f.locals('i32', 3); // -1, and 0 for a row of zeros
  const [stripFrom, stripTo, first, bandFrom, bandTo, row, channel, weightAt, lane, out] = f.locals('i32', 10);
  // Of the first of four channels: what is before it in numbers of 32 bits.
  const offset = elements.shift === 2 ? lane : f.local('i32');
  const [blockFrom, blockTo, outRow] = f.locals('i32', 3);
  const [left, h, top, turn, slot, begin] = f.locals('i32', 6);
  const window: Window = { f, elements, rows, steps, weights, start, out, step };

  /** The smaller of two. */
  const setUpTo = (local: Local<'i32'>, value: Expr<'i32'>, most: Local<'i32'>): void => {
    f.set(local, value);
    f.if(i32.gt_s(local, most), () => f.set(local, most));
  };

  /** A row of output, four channels at a time. */
  const vectorsOfRow = (alongRow: () => void): void => {
    f.set(weightAt, i32.add(p.w, i32.mul(blockFrom, 4 * elements.weightVectors)));
    f.set(outRow, i32.add(i32.mul(row, outRowBytes), i32.mul(first, pixelBytes)));
    f.set(outRow, i32.add(p.y, outRow));
    f.for(channel, blockFrom, blockTo, LANES, () => {
      vectorAt(f, lane, channel, p.C, elements.shift);
      if (offset !== lane) f.set(offset, i32.shl(lane, 2 - elements.shift));
      for (const [tap, weight] of weights.entries()) f.set(weight, v128.load(weightAt, 16 * tap));
      f.increase(weightAt, 16 * elements.weightVectors);
      f.set(start, v128.load(i32.add(p.bias, offset)));
      elements.enter?.(offset);
      for (const [r, at] of rows.entries()) f.set(at, i32.add(bases[r], i32.and(lane, inside[r])));
      f.set(out, i32.add(outRow, lane));
      alongRow();
    });
  };

  /** Finds the rows of taps, of which the first is row `top` of the picture. */
  const enterRow = (): void => {
    f.set(h, top);
    for (const [r, base] of bases.entries()) {
      f.set(base, p.zeros);
      f.set(steps[r], 0);
      f.set(inside[r], 0);
      // As unsigned, a negative row is a huge one.
      f.if(i32.lt_u(h, p.H), () => {
        f.set(slot, i32.sub(h, turn));
        f.if(i32.ge_s(slot, p.held), () => f.set(slot, i32.sub(slot, p.held)));
        f.set(base, i32.add(begin, i32.mul(slot, rowBytes)));
        f.set(steps[r], step);
        f.set(inside[r], -1);
      });
      f.increase(h, p.dilation);
    }
  };

  /** All rows of a band, for a block of channels. */
  const rowsOfBlock = (alongRow: () => void): void => {
    setUpTo(blockTo, i32.add(blockFrom, p.block), p.C);
    f.set(top, i32.sub(i32.mul(bandFrom, stride), p.padTop));
    f.for(row, bandFrom, bandTo, 1, () => {
      enterRow();
      vectorsOfRow(alongRow);
      f.increase(top, stride);
    });
  };

  /** Finds the band's end, and the turn of the ring that it begins in: row h of x is in slot h − turn, or a turn before. */
  const enterBand = (enter: Local<'i32'>): void => {
    setUpTo(bandTo, i32.add(bandFrom, p.band), p.rowTo);
    f.set(turn, i32.sub(i32.mul(bandFrom, stride), p.padTop));
    f.if(i32.lt_s(turn, 0), () => f.set(turn, 0));
    f.set(turn, i32.mul(i32.div_u(turn, p.held), p.held));
    f.set(begin, i32.add(p.x, i32.mul(enter, pixelBytes)));
  };

  f.for(stripFrom, 0, p.OW, p.strip, () => {
    setUpTo(stripTo, i32.add(stripFrom, p.strip), p.OW);
    f.for(first, stripFrom, i32.add(stripFrom, p.dilation), 1, () => {
      f.set(left, i32.sub(i32.mul(first, stride), p.padLeft));
      const slide = stride === 1 ? slideByOne : slideByTwo;
      const { enter, alongRow } = slide(window, { left, first, end: stripTo, W: p.W, dilation: p.dilation });
      f.for(bandFrom, p.rowFrom, p.rowTo, p.band, () => {
        enterBand(enter);
        f.for(blockFrom, 0, p.C, p.block, () => rowsOfBlock(alongRow));
      });
    });
  });
}

interface Window {
  f: FunctionBuilder;
  elements: Elements;
  rows: Local<'i32'>[];
  steps: Local<'i32'>[];
  weights: Local<'v128'>[];
  /** The bias. */
  start: Local<'v128'>;
  /** Address of the next output, and bytes to the one after it. */
  out: Local<'i32'>;
  step: Local<'i32'>;
}

interface Sizes {
  /** The column of the picture that the first tap of the first output is at. */
  left: Local<'i32'>;
  /** The first output's column, and where outputs end. */
  first: Local<'i32'>;
  end: Local<'i32'>;
  W: Local<'i32'>;
  dilation: Local<'i32'>;
}

/** Counts what is the same for all rows; gives the column of the picture to start at, and what to do along a row. */
type Slide = (window: Window, sizes: Sizes) => { enter: Local<'i32'>; alongRow: () => void };

/** Reads a column's pixels, and moves on to the next. Gives what adds them, through weights' column s, to a sum. */
function readColumn({ f, elements, rows, steps, weights }: Window) {
  const read = elements.load(rows);
  const pixels = f.locals('v128', read.length);
  for (const [i, pixel] of pixels.entries()) f.set(pixel, read[i]);
  for (const [r, at] of rows.entries()) f.increase(at, steps[r]);
  return (sum: Expr<'v128'>, s: number): Expr<'v128'> => elements.add(sum, pixels, weights, s);
}

function store({ f, elements, out, step }: Window, sum: Expr<'v128'>): void {
  elements.store(out, sum);
  f.increase(out, step);
}

/**
 * Stride 1. Columns are counted in steps of the dilation. Column k completes output k − 2 through the last column of
 * weights, adds to output k − 1 through the middle one and begins output k through the first.
 */
const slideByOne: Slide = (window, { left, first, end: outputEnd, W, dilation }) => {
  const { f, start, out, step } = window;
  const [enter, hasFirst, hasSecond, whole, rest, end] = f.locals('i32', 6);
  const [newer, older] = f.locals('v128', 2); // outputs k and k − 1
  const ceilingDivide = (length: Expr<'i32'>) => i32.div_s(i32.add(length, i32.sub(dilation, 1)), dilation);

  // Columns in front of the picture's right edge; the first may lie to the left of it.
  f.set(whole, ceilingDivide(i32.sub(W, left)));
  f.set(hasFirst, i32.and(i32.ge_s(left, 0), i32.gt_s(whole, 0)));
  f.set(hasSecond, i32.gt_s(whole, 1));
  f.set(enter, i32.add(left, i32.mul(i32.lt_s(left, 0), dilation)));
  // Outputs that they complete, and the rest.
  f.set(whole, i32.sub(whole, 2));
  f.set(rest, ceilingDivide(i32.sub(outputEnd, first)));
  f.if(i32.gt_s(whole, rest), () => f.set(whole, rest));
  f.if(i32.lt_s(whole, 0), () => f.set(whole, 0));
  f.set(rest, i32.sub(rest, whole));

  const alongRow = () => {
    f.set(newer, start);
    f.if(hasFirst, () => f.set(newer, readColumn(window)(start, 0)));
    f.set(older, newer);
    f.set(newer, start);
    f.if(hasSecond, () => {
      const add = readColumn(window);
      f.set(older, add(older, 1));
      f.set(newer, add(start, 0));
    });
    f.set(end, i32.add(out, i32.mul(whole, step)));
    f.while(
      () => i32.ne(out, end),
      () => {
        const add = readColumn(window);
        store(window, add(older, 2));
        f.set(older, add(newer, 1));
        f.set(newer, add(start, 0));
      },
    );
    f.set(end, i32.add(out, i32.mul(rest, step)));
    f.while(
      () => i32.ne(out, end),
      () => {
        store(window, older);
        f.set(older, newer);
        f.set(newer, start);
      },
    );
  };
  return { enter, alongRow };
};

/** Stride 2: an output's last column is the next one's first. */
const slideByTwo: Slide = (window, { left, first, end: outputEnd, W }) => {
  const { f, start, out, step } = window;
  const [enter, hasFirst, hasMiddle, whole, rest, end] = f.locals('i32', 6);
  const sum = f.local('v128');

  f.set(hasFirst, i32.lt_u(left, W)); // as unsigned, a negative column is a huge one
  f.set(enter, i32.add(left, i32.lt_s(left, 0)));
  // Outputs with all their columns in front of the picture's right edge, and the rest.
  f.set(whole, i32.div_s(i32.sub(W, i32.add(left, 1)), 2));
  f.set(rest, i32.sub(outputEnd, first));
  f.if(i32.gt_s(whole, rest), () => f.set(whole, rest));
  f.if(i32.lt_s(whole, 0), () => f.set(whole, 0));
  f.set(rest, i32.sub(rest, whole));
  // Whether the picture ends in the middle column of the next output.
  f.set(hasMiddle, i32.lt_s(i32.add(i32.add(left, 1), i32.shl(whole, 1)), W));
  f.set(hasMiddle, i32.and(hasMiddle, i32.gt_s(rest, 0)));

  const alongRow = () => {
    f.set(sum, start);
    f.if(hasFirst, () => f.set(sum, readColumn(window)(start, 0)));
    f.set(end, i32.add(out, i32.mul(whole, step)));
    f.while(
      () => i32.ne(out, end),
      () => {
        f.set(sum, readColumn(window)(sum, 1));
        const add = readColumn(window);
        store(window, add(sum, 2));
        f.set(sum, add(start, 0));
      },
    );
    f.set(end, i32.add(out, i32.mul(rest, step)));
    f.if(hasMiddle, () => f.set(sum, readColumn(window)(sum, 1)));
    f.while(
      () => i32.ne(out, end),
      () => {
        store(window, sum);
        f.set(sum, start);
      },
    );
  };
  return { enter, alongRow };
};
