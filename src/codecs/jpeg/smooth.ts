/**
 * Block smoothing: of a progressive picture whose scans do not bring all bits, libjpeg-turbo estimates the lowest
 * coefficients from the DC of a block and its 24 neighbours, so that it does not show 8×8 steps (jdcoefct.c,
 * `decompress_smooth_data`; the idea is that of T.81, section K.8). It is rare, so it is plain TypeScript.
 */
import { BLOCK_BYTES, NATURAL_ORDER } from './entropy/state.js';
import type { JpegScan } from './header.js';

const COEFFICIENTS = 10;
const BLOCK = BLOCK_BYTES / 2;

/** Weights of 5×5 DC values, row by row; what is estimated of them is over 256 quantisers of the coefficient. */
type Kernel = readonly number[];

const transposed = (kernel: Kernel): Kernel => kernel.map((_, i) => kernel[(i % 5) * 5 + Math.floor(i / 5)]);

// biome-ignore format: rows of five
const HORIZONTAL = [
  -1, -1, 0, 1, 1,
  -3, 13, 0, -13, 3,
  -3, 38, 0, -38, 3,
  -3, 13, 0, -13, 3,
  -1, -1, 0, 1, 1,
];
// biome-ignore format: rows of five
const HORIZONTAL_2 = [
  0, 0, 0, 0, 0,
  0, 2, -5, 2, 0,
  1, 7, -14, 7, 1,
  0, 2, -5, 2, 0,
  0, 0, 0, 0, 0,
];
// biome-ignore format: rows of five
const DIAGONAL = [
  -1, 0, 0, 0, 1,
  0, 9, 0, -9, 0,
  0, 0, 0, 0, 0,
  0, -9, 0, 9, 0,
  1, 0, 0, 0, -1,
];
// biome-ignore format: rows of five
const HORIZONTAL_3 = [
  0, 0, 0, 0, 0,
  0, 1, 0, -1, 0,
  0, 2, 0, -2, 0,
  0, 1, 0, -1, 0,
  0, 0, 0, 0, 0,
];
// biome-ignore format: rows of five
const VERTICAL_THEN_2 = [
  0, 0, 0, 0, 0,
  0, 1, -3, 1, 0,
  0, 0, 0, 0, 0,
  0, -1, 3, -1, 0,
  0, 0, 0, 0, 0,
];
// biome-ignore format: rows of five
const DC = [
  -2, -6, -8, -6, -2,
  -6, 6, 42, 6, -6,
  -8, 42, 152, 42, -8,
  -6, 6, 42, 6, -6,
  -2, -6, -8, -6, -2,
];
/** By place in zigzag order, where nothing is known but DC. */
const FROM_DC_ALONE: readonly Kernel[] = [
  ...[DC, HORIZONTAL, transposed(HORIZONTAL), transposed(HORIZONTAL_2), DIAGONAL, HORIZONTAL_2, HORIZONTAL_3],
  ...[VERTICAL_THEN_2, transposed(VERTICAL_THEN_2), transposed(HORIZONTAL_3)],
];

const middleRow = (...row: number[]): Kernel =>
  Array.from({ length: 25 }, (_, i) => (i >= 10 && i < 15 ? row[i - 10] : 0));
// biome-ignore format: rows of five
const DIAGONAL_BESIDE_OTHERS = [
  0, -1, 0, 1, 0,
  -1, 10, 0, -10, 1,
  0, 0, 0, 0, 0,
  1, -10, 0, 10, -1,
  0, 1, 0, -1, 0,
];
const SLOPE = middleRow(-7, 50, 0, -50, 7);
const CURVE = middleRow(-1, 13, -24, 13, -1);
/** The same where some AC are known; DC stays as it is then. */
const BESIDE_OTHERS: readonly (Kernel | undefined)[] = [
  ...[undefined, SLOPE, transposed(SLOPE), transposed(CURVE), DIAGONAL_BESIDE_OTHERS, CURVE],
];

/** Of a component's first ten coefficients the bits that are missing: 0 for none, −1 where nothing of it is known. */
type Bits = readonly number[];

/** What the scans of a picture have brought, by component: after the last scan, and before the last one that it was in. */
export interface Progress {
  readonly now: readonly Bits[];
  readonly before: readonly Bits[];
}

const UNKNOWN: Bits = new Array(COEFFICIENTS).fill(-1);

/** @returns undefined where smoothing would be of no use, or is not safe */
export function progressOf(
  scans: readonly JpegScan[],
  components: number,
  quantisers: (component: number) => Uint16Array,
): Progress | undefined {
  const now = Array.from({ length: components }, () => [...UNKNOWN]);
  const before = Array.from({ length: components }, () => [...UNKNOWN]);
  for (const [n, { components: scanned, first, last, low }] of scans.entries()) {
    for (const { index } of scanned) {
      const from = Math.min(first, 1);
      for (let k = from; k < COEFFICIENTS; k++) before[index][k] = n > 0 ? now[index][k] : 0;
      for (let k = first; k <= Math.min(last, COEFFICIENTS - 1); k++) now[index][k] = low;
    }
  }
  if (scans.length === 1) for (const bits of before) bits.fill(-1);
  const isUseful = now.some((bits) => bits.slice(1).some((missing) => missing !== 0));
  const isSafe = now.every(({ 0: dc }, c) => {
    const table = quantisers(c);
    return dc >= 0 && Array.from({ length: COEFFICIENTS }, (_, k) => table[NATURAL_ORDER[k]]).every((q) => q > 0);
  });
  return isUseful && isSafe ? { now, before } : undefined;
}

/** Rows of blocks around the one to be smoothed: indices of their first coefficients. The third is the row itself. */
export type Rows = readonly [number, number, number, number, number];

/** Weights that are not 0, and which of the 25 DC they are for. */
interface Taps {
  readonly at: Uint8Array;
  readonly weights: Int32Array;
}

const tapsOf = (kernel: Kernel): Taps => {
  const at = new Uint8Array(kernel.keys()).filter((i) => kernel[i] !== 0);
  return { at, weights: new Int32Array(at.length).map((_, n) => kernel[at[n]]) };
};
const TAPS_FROM_DC_ALONE = FROM_DC_ALONE.map(tapsOf);
const TAPS_BESIDE_OTHERS = BESIDE_OTHERS.map((kernel) => kernel && tapsOf(kernel));

/**
 * Smooths a row of blocks.
 * @param coefficients of the whole picture
 * @param row a copy of the row, which is changed
 * @param blocks how many the picture needs of it
 */
export function smoothRow(
  coefficients: Int16Array,
  rows: Rows,
  row: Int16Array,
  blocks: number,
  bits: Bits,
  quantisers: Uint16Array,
): void {
  const alone = bits.every((missing, k) => k === 0 || missing === -1);
  const taps = alone ? TAPS_FROM_DC_ALONE : TAPS_BESIDE_OTHERS;
  const dc = new Int32Array(25);
  for (let block = 0; block < blocks; block++) {
    for (let y = 0; y < 5; y++) {
      for (let x = 0; x < 5; x++) {
        const column = Math.min(Math.max(block + x - 2, 0), blocks - 1);
        dc[5 * y + x] = coefficients[rows[y] + column * BLOCK];
      }
    }
    for (let k = 0; k < taps.length; k++) {
      const these = taps[k];
      const place = block * BLOCK + NATURAL_ORDER[k];
      if (these === undefined || (k > 0 && (bits[k] === 0 || row[place] !== 0))) continue;
      row[place] = estimate(these, dc, quantisers[0], quantisers[NATURAL_ORDER[k]], k > 0 ? bits[k] : -1);
    }
  }
}

/** @param missing bits of the coefficient that are not known; what is estimated is to be less than the lowest known one */
function estimate(
  { at, weights }: Taps,
  dc: Int32Array,
  dcQuantiser: number,
  quantiser: number,
  missing: number,
): number {
  let sum = 0;
  for (let i = 0; i < at.length; i++) sum += weights[i] * dc[at[i]];
  const size = Math.floor((128 * quantiser + Math.abs(sum * dcQuantiser)) / (256 * quantiser));
  const limited = missing > 0 ? Math.min(size, 2 ** missing - 1) : size;
  return sum < 0 ? -limited : limited;
}
