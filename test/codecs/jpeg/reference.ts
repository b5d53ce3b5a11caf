/**
 * libjpeg's way from coefficients to pixels, written for reading: jidctint.c, jidctred.c, jdsample.c, jdcolor.c, with the
 * overflows of libjpeg-turbo's code for x86, and Pillow's conversion of inks. The whole picture at once.
 */
import type { JpegColours } from '../../../src/codecs/jpeg/header.js';

export interface Component {
  h: number;
  v: number;
  blocksWide: number;
  blocksHigh: number;
  /** [64] in natural order, and [rows of MCUs · v, blocksWide, 64]. */
  quant: Uint16Array;
  coefficients: Int16Array;
}

export interface Coefficients {
  width: number;
  height: number;
  hMax: number;
  vMax: number;
  colours: JpegColours;
  components: Component[];
}

const wrap = (x: number): number => (x << 16) >> 16;
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const narrow = (x: number): number => clamp(x, -32768, 32767);
const sample = (x: number): number => clamp(x, -128, 127) + 128;
const fixed = (x: number): number => Math.round(x * 8192);
/** The nearest whole number of x / 2ⁿ, in 32 bits. */
const descale = (x: number, n: number): number => ((x | 0) + (1 << (n - 1))) >> n;

const dequantised = (block: Int16Array, quant: Uint16Array): number[] =>
  Array.from(block, (value, i) => wrap(value * wrap(quant[i])));

const rowsEmpty = (block: Int16Array, rows: number[]): boolean =>
  rows.every((row) => block.subarray(8 * row, 8 * row + 8).every((value) => value === 0));

/** One dimension of the accurate transform. */
function transform8(x: number[], shift: number): number[] {
  const c = (factor: number, value: number) => fixed(factor) * value;
  const z1 = c(0.5411961, x[2] + x[6]);
  const tmp2 = z1 - c(1.847759065, x[6]);
  const tmp3 = z1 + c(0.765366865, x[2]);
  const tmp0 = wrap(x[0] + x[4]) * 8192;
  const tmp1 = wrap(x[0] - x[4]) * 8192;
  const even = [tmp0 + tmp3, tmp1 + tmp2, tmp1 - tmp2, tmp0 - tmp3];

  const z3 = wrap(x[7] + x[3]);
  const z4 = wrap(x[5] + x[1]);
  const z5 = c(1.175875602, z3 + z4);
  const [z13, z14] = [z5 - c(1.96157056, z3), z5 - c(0.390180644, z4)];
  const [z11, z12] = [-c(0.899976223, x[7] + x[1]), -c(2.562915447, x[5] + x[3])];
  const odd = [
    c(1.50132111, x[1]) + z11 + z14,
    c(3.072711026, x[3]) + z12 + z13,
    c(2.053119869, x[5]) + z12 + z14,
    c(0.298631336, x[7]) + z11 + z13,
  ];
  const y = [...even.map((e, i) => e + odd[i]), ...even.map((e, i) => e - odd[i]).reverse()];
  return y.map((value) => narrow(descale(value, shift)));
}

const column = (x: ArrayLike<number>, i: number, count = 8): number[] =>
  Array.from({ length: count }, (_, row) => x[8 * row + i]);

/** [64] samples. */
export function idct8(block: Int16Array, quant: Uint16Array): number[] {
  const x = dequantised(block, quant);
  const rows: number[] = [];
  for (let i = 0; i < 8; i++) {
    const wrapped = rowsEmpty(block, [1, 2, 3, 4, 5, 6, 7]) && Array<number>(8).fill(wrap(x[i] * 4));
    for (const [row, value] of (wrapped || transform8(column(x, i), 11)).entries()) rows[8 * row + i] = value;
  }
  return Array.from({ length: 8 }, (_, row) => transform8(rows.slice(8 * row, 8 * row + 8), 18))
    .flat()
    .map(sample);
}

function transform4(x: number[], shift: number): number[] {
  const c = (factor: number, value: number) => fixed(factor) * value;
  const tmp0 = x[0] * 16384;
  const even = c(1.847759065, x[2]) - c(0.765366865, x[6]);
  const inner = c(1.061594337, x[1]) - c(2.172734803, x[3]) + c(1.451774981, x[5]) - c(0.211164243, x[7]);
  const outer = c(2.562915447, x[1]) + c(0.899976223, x[3]) - c(0.601344887, x[5]) - c(0.509795579, x[7]);
  const y = [tmp0 + even + outer, tmp0 - even + inner, tmp0 - even - inner, tmp0 + even - outer];
  return y.map((value) => narrow(descale(value, shift)));
}

/** [16] samples. */
export function idct4(block: Int16Array, quant: Uint16Array): number[] {
  const x = dequantised(block, quant);
  const rows: number[] = [];
  for (let i = 0; i < 8; i++) {
    const wrapped = rowsEmpty(block, [1, 2, 3, 5, 6, 7]) && Array<number>(4).fill(wrap(x[i] * 4));
    for (const [row, value] of (wrapped || transform4(column(x, i), 12)).entries()) rows[8 * row + i] = value;
  }
  return [0, 1, 2, 3].flatMap((row) => transform4(rows.slice(8 * row, 8 * row + 8), 19)).map(sample);
}

function transform2(x: number[], shift: number): number[] {
  const c = (factor: number, value: number) => fixed(factor) * value;
  const even = Math.imul(x[0], 32768);
  const odd = c(3.624509785, x[1]) - c(1.27275858, x[3]) + c(0.850430095, x[5]) - c(0.720959822, x[7]);
  return [descale(even + odd, shift), descale(even - odd, shift)];
}

/** [4] samples. */
export function idct2(block: Int16Array, quant: Uint16Array): number[] {
  const x = dequantised(block, quant);
  const columns = Array.from({ length: 8 }, (_, i) => transform2(column(x, i), 13));
  return [0, 1]
    .flatMap((row) =>
      transform2(
        columns.map((y, i) => (i === 0 ? y[row] : narrow(y[row]))),
        20,
      ),
    )
    .map((value) => sample(narrow(value)));
}

/** [1] sample. */
export function idct1(block: Int16Array, quant: Uint16Array): number[] {
  const mean = descale(block[0] * wrap(quant[0]), 3);
  return [sample((mean << 22) >> 22)];
}

const IDCTS: Record<number, (block: Int16Array, quant: Uint16Array) => number[]> = {
  8: idct8,
  4: idct4,
  2: idct2,
  1: idct1,
};

/** [height][width] samples of a component, at `size` samples a block. */
function plane(
  { blocksWide, coefficients, quant }: Component,
  size: number,
  width: number,
  height: number,
): number[][] {
  const rows = Array.from({ length: height }, () => Array<number>(width).fill(0));
  for (let block = 0; block < coefficients.length / 64; block++) {
    const [top, left] = [size * Math.floor(block / blocksWide), size * (block % blocksWide)];
    const samples = IDCTS[size](coefficients.subarray(64 * block, 64 * block + 64), quant);
    for (let i = 0; i < samples.length; i++) {
      const [y, x] = [top + Math.floor(i / size), left + (i % size)];
      if (y < height && x < width) rows[y][x] = samples[i];
    }
  }
  return rows;
}

/** jdsample.c's triangle filters. `row` and `far` are the nearest row and the next. */
export const fancyH2V1 = (row: readonly number[]): number[] =>
  row.flatMap((value, x) => [
    (3 * value + (row[x - 1] ?? value) + 1) >> 2,
    (3 * value + (row[x + 1] ?? value) + 2) >> 2,
  ]);

export const fancyH1V2 = (row: readonly number[], far: readonly number[], upper: boolean): number[] =>
  row.map((value, x) => (3 * value + far[x] + (upper ? 1 : 2)) >> 2);

export function fancyH2V2(row: readonly number[], far: readonly number[]): number[] {
  const sums = row.map((value, x) => 3 * value + far[x]);
  return sums.flatMap((sum, x) => [
    (3 * sum + (sums[x - 1] ?? sum) + 8) >> 4,
    (3 * sum + (sums[x + 1] ?? sum) + 7) >> 4,
  ]);
}

/** Enlarged to [height][at least width], as jdsample.c chooses. */
function enlarged(rows: number[][], across: number, down: number, filtered: boolean, height: number): number[][] {
  return Array.from({ length: height }, (_, y) => {
    const near = rows[Math.floor(y / down)];
    const far = rows[Math.floor(y / down) + (y % 2 === 0 ? -1 : 1)] ?? near;
    if (across === 1 && down === 1) return near;
    if (filtered && across === 2 && down === 1 && near.length > 2) return fancyH2V1(near);
    if (filtered && across === 1 && down === 2) return fancyH1V2(near, far, y % 2 === 0);
    if (filtered && across === 2 && down === 2 && near.length > 2) return fancyH2V2(near, far);
    return near.flatMap((value) => Array<number>(across).fill(value));
  });
}

/** jdcolor.c. */
export function rgbOfYcc(y: number, cb: number, cr: number): [number, number, number] {
  const f = (x: number) => Math.floor(x * 65536 + 0.5);
  const byte = (x: number) => clamp(x, 0, 255);
  return [
    byte(y + ((f(1.402) * (cr - 128) + 32768) >> 16)),
    byte(y + ((-f(0.34414) * (cb - 128) - f(0.71414) * (cr - 128) + 32768) >> 16)),
    byte(y + ((f(1.772) * (cb - 128) + 32768) >> 16)),
  ];
}

/** Pillow's `cmyk2rgb`. */
export function rgbOfInk(ink: number, black: number): number {
  const product = ink * black + 128;
  return clamp(black - (((product >> 8) + product) >> 8), 0, 255);
}

function pixel(colours: JpegColours, [a, b, c, d]: number[]): number[] {
  switch (colours) {
    case 'grey':
      return [a];
    case 'rgb':
      return [a, b, c];
    case 'ycc':
      return rgbOfYcc(a, b, c);
    case 'cmyk':
      return [a, b, c].map((stored) => rgbOfInk(255 - stored, d));
    case 'ycck':
      return rgbOfYcc(a, b, c).map((ink) => rgbOfInk(ink, d));
  }
}

/** [height,width,1 or 3] */
export function pixelsOf(picture: Coefficients, scale = 1): { width: number; height: number; data: Uint8Array } {
  const { hMax, vMax } = picture;
  const smallest = 8 / scale;
  const width = Math.ceil(picture.width / scale);
  const height = Math.ceil(picture.height / scale);
  const planes = picture.components.map((component) => {
    const { h, v } = component;
    let size = smallest;
    while (size < 8 && (hMax * smallest) % (h * size * 2) === 0 && (vMax * smallest) % (v * size * 2) === 0) size *= 2;
    const across = Math.ceil((picture.width * h * size) / (hMax * 8));
    const down = Math.ceil((picture.height * v * size) / (vMax * 8));
    const rows = plane(component, size, across, down);
    return enlarged(rows, (hMax * smallest) / (h * size), (vMax * smallest) / (v * size), smallest > 1, height);
  });
  const data: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data.push(
        ...pixel(
          picture.colours,
          planes.map((rows) => rows[y][x]),
        ),
      );
    }
  }
  return { width, height, data: Uint8Array.from(data) };
}
