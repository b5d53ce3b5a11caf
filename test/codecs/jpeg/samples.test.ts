/** From coefficients to pixels: every kernel against libjpeg's formulas, whole pictures against Pillow. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Scale } from '../../../src/codecs/jpeg/frame.js';
import { type JpegColours, readJpeg } from '../../../src/codecs/jpeg/header.js';
import { randomNumbers } from '../../helpers/random.js';
import { Kernels, lastOf, rebuilt } from './rebuilt.js';
import {
  type Coefficients,
  fancyH1V2,
  fancyH2V1,
  fancyH2V2,
  idct1,
  idct2,
  idct4,
  idct8,
  pixelsOf,
  rgbOfInk,
  rgbOfYcc,
} from './reference.js';
import { readSlowly, ZIGZAG } from './slow-reader.js';

const SCALES: readonly Scale[] = [1, 2, 4, 8];
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
const folder = new URL('../../goldens/images/', import.meta.url);
const golden = (name: string) => readFileSync(new URL(name, folder));

const between = (random: () => number, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1));

/** A block with coefficients up to an index in zigzag order, some of them 0. */
function randomBlock(random: () => number, last: number, largest: number): Int16Array {
  const block = new Int16Array(64);
  for (let k = 0; k <= last; k++) if (random() < 0.6) block[ZIGZAG[k]] = between(random, -largest, largest);
  return block;
}

describe('inverse transforms', () => {
  const sizes = [
    [8, idct8],
    [4, idct4],
    [2, idct2],
    [1, idct1],
  ] as const;

  it.each(sizes)('of %i by as many samples are those of libjpeg-turbo', (size, reference) => {
    const random = randomNumbers(size);
    const lasts = [0, 1, 2, 5, 9, 10, 20, 35, 63];
    for (const largestQuant of [1, 40, 255, 65535]) {
      const quant = Uint16Array.from({ length: 64 }, () => between(random, 1, largestQuant));
      const blocks = [3, 60, 1023, 2047 * 8, 32767].flatMap((largest) =>
        lasts.flatMap((last) => [randomBlock(random, last, largest), randomBlock(random, last, largest)]),
      );
      blocks.push(Int16Array.from({ length: 64 }, (_, i) => (i < 8 ? 9000 : 0))); // one row: its transform wraps
      blocks.push(new Int16Array(64).fill(-32768), new Int16Array(64).fill(32767), new Int16Array(64));
      const kernels = new Kernels();
      const stride = blocks.length * size + 16;
      const coefficients = kernels.put(Int16Array.from(blocks.flatMap((block) => [...block])));
      const last = kernels.put(Uint8Array.from(blocks, lastOf));
      const out = kernels.put(new Uint8Array(stride * size).fill(7));
      kernels.exports[`idct${size}`](coefficients, last, kernels.put(quant), blocks.length, out, stride);
      for (const [i, block] of blocks.entries()) {
        const got = Array.from({ length: size }, (_, y) => [...kernels.bytes(out + y * stride + i * size, size)]);
        expect(got.flat(), `block ${i}, ${block}, quantised by ${quant}`).toEqual(reference(block, quant));
      }
      expect([...kernels.bytes(out + blocks.length * size, 16)]).toEqual(Array(16).fill(7));
    }
  });

  it('take any index that is not too small for the last coefficient', () => {
    const random = randomNumbers(3);
    const quant = Uint16Array.from({ length: 64 }, () => between(random, 1, 99));
    const block = randomBlock(random, 4, 200);
    const kernels = new Kernels();
    const [coefficients, table] = [kernels.put(block), kernels.put(quant)];
    for (const index of [4, 9, 10, 63]) {
      const out = kernels.memory.allocate(64);
      kernels.exports.idct8(coefficients, kernels.put(Uint8Array.of(index)), table, 1, out, 8);
      expect([...kernels.bytes(out, 64)]).toEqual(idct8(block, quant));
    }
  });
});

describe('enlarging', () => {
  const widths = Array.from({ length: 40 }, (_, i) => i + 1);

  it.each(widths)('of rows of %i samples is that of jdsample.c', (width) => {
    const random = randomNumbers(width);
    const kernels = new Kernels();
    const { weigh, widen, spread, blend, repeat2, repeat3, repeat4 } = kernels.exports;
    const row = () =>
      Uint8Array.from({ length: width }, () => [0, 255, between(random, 0, 255)][between(random, 0, 2)]);
    const [near, far] = [row(), row()];
    // What stands after a row must not matter.
    const put = (values: Uint8Array) => kernels.put(Uint8Array.of(...values, ...Array(48).fill(99)));
    const [a, b] = [put(near), put(far)];
    const sums = kernels.memory.allocate(2 * width + 64) + 16;
    const out = kernels.memory.allocate(4 * width + 64);
    const result = (times: number) => [...kernels.bytes(out, times * width)];

    widen(a, sums, width);
    spread(sums, out, width, 1, 2, 2);
    expect(result(2)).toEqual(fancyH2V1([...near]));
    weigh(a, b, sums, width);
    spread(sums, out, width, 8, 7, 4);
    expect(result(2)).toEqual(fancyH2V2([...near], [...far]));
    for (const upper of [true, false]) {
      blend(a, b, out, width, upper ? 1 : 2);
      expect(result(1)).toEqual(fancyH1V2([...near], [...far], upper));
    }
    for (const [i, repeat] of [repeat2, repeat3, repeat4].entries()) {
      repeat(a, out, width);
      expect(result(i + 2)).toEqual([...near].flatMap((value) => Array(i + 2).fill(value)));
    }
  });
});

describe('colours', () => {
  it('are those of jdcolor.c, for every Cb and Cr', () => {
    const kernels = new Kernels();
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    const cr = kernels.put(all);
    const out = kernels.memory.allocate(3 * 256);
    for (let cb = 0; cb < 256; cb++) {
      const luma = (cb * 37) % 256;
      for (const y of [0, luma, 255]) {
        const plane = (value: number) => kernels.put(new Uint8Array(256).fill(value));
        kernels.exports.yccToRgb(plane(y), plane(cb), cr, out, 256);
        const wanted = [...all].flatMap((value) => rgbOfYcc(y, cb, value));
        expect([...kernels.bytes(out, 768)], `Y ${y}, Cb ${cb}`).toEqual(wanted);
      }
    }
  });

  it('of inks are those of Pillow, for every ink and every black', () => {
    const kernels = new Kernels();
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    for (const flip of [0, 255]) {
      for (let black = 0; black < 256; black++) {
        const pixels = kernels.put(Uint8Array.from(all, (i) => i ^ flip));
        // 85 pixels and a third: all 256 inks
        kernels.exports.inks(pixels, kernels.put(new Uint8Array(96).fill(black)), 86, flip);
        expect([...kernels.bytes(pixels, 256)]).toEqual([...all].map((ink) => rgbOfInk(ink, black)));
      }
    }
  });
});

/** Smooth and rough parts, in any layout of components. */
function randomPicture(random: () => number, width: number, height: number, factors: [number, number][]): Coefficients {
  const hMax = Math.max(...factors.map(([h]) => h));
  const vMax = Math.max(...factors.map(([, v]) => v));
  const [across, down] = [Math.ceil(width / (8 * hMax)), Math.ceil(height / (8 * vMax))];
  const components = factors.map(([h, v]) => {
    const blocks = Array.from({ length: across * h * down * v }, () =>
      randomBlock(random, [0, 3, 9, 63][between(random, 0, 3)], [5, 90][between(random, 0, 1)]),
    );
    return {
      h,
      v,
      blocksWide: across * h,
      blocksHigh: Math.ceil((height * v) / (8 * vMax)),
      quant: Uint16Array.from({ length: 64 }, () => between(random, 1, 20)),
      coefficients: Int16Array.from(blocks.flatMap((block) => [...block])),
    };
  });
  const colours = (['grey', 'grey', 'grey', random() < 0.7 ? 'ycc' : 'rgb', random() < 0.5 ? 'cmyk' : 'ycck'] as const)[
    factors.length
  ];
  return { width, height, hMax, vMax, colours, components };
}

describe('whole pictures', () => {
  const layouts: Record<string, [number, number][]> = {
    grey: [[1, 1]],
    'grey with factors': [[2, 3]],
    '4:4:4': [
      [1, 1],
      [1, 1],
      [1, 1],
    ],
    '4:2:2': [
      [2, 1],
      [1, 1],
      [1, 1],
    ],
    '4:2:0': [
      [2, 2],
      [1, 1],
      [1, 1],
    ],
    '4:4:0': [
      [1, 2],
      [1, 1],
      [1, 1],
    ],
    '4:1:1': [
      [4, 1],
      [1, 1],
      [1, 1],
    ],
    '4:1:0': [
      [4, 2],
      [1, 1],
      [1, 1],
    ],
    '1:4': [
      [1, 4],
      [1, 1],
      [1, 1],
    ],
    thirds: [
      [3, 3],
      [1, 1],
      [1, 3],
    ],
    mixed: [
      [4, 4],
      [2, 1],
      [1, 2],
    ],
    'finer chroma': [
      [1, 1],
      [2, 2],
      [1, 2],
    ],
    'half of 4': [
      [4, 4],
      [2, 2],
      [4, 2],
    ],
    inks: [
      [2, 2],
      [1, 1],
      [1, 1],
      [2, 2],
    ],
    'subsampled black': [
      [1, 1],
      [1, 1],
      [1, 1],
      [1, 1],
    ],
  };

  it.each(Object.entries(layouts))('%s: equal to libjpeg in all sizes and scales', (_name, factors) => {
    const random = randomNumbers(factors.flat().reduce((sum, factor) => 5 * sum + factor, 0));
    const sizes = Array.from({ length: 24 }, () => [between(random, 1, 40), between(random, 1, 40)]);
    for (const [width, height] of [[1, 1], [2, 3], [3, 2], [5, 4], [6, 33], [33, 6], [32, 32], ...sizes]) {
      const picture = randomPicture(random, width, height, factors);
      for (const scale of SCALES) {
        expect(rebuilt(picture, scale), `${width}×${height} at 1/${scale}`).toEqual(pixelsOf(picture, scale));
      }
    }
  });

  const matrix: Record<string, { at: number; bytes: number; kind: string; sha256?: string }> = JSON.parse(
    golden('jpeg_matrix.json').toString(),
  );
  const { scaled, hostile } = JSON.parse(golden('jpeg_samples.json').toString()) as {
    scaled: Record<string, Record<string, string>>;
    hostile: { at: number; bytes: number; sha256: Record<string, string> }[];
  };
  const fileOf = ({ at, bytes }: { at: number; bytes: number }) => golden('jpeg_matrix.bin').subarray(at, at + bytes);
  /** The sequential and sound ones, upright. */
  const readable = Object.entries(matrix).filter(
    ([name, entry]) =>
      entry.sha256 !== undefined &&
      !['damaged', 'exif', 'others', 'scan_scripts'].includes(entry.kind) &&
      !/missing|between/.test(name) &&
      !readJpeg(fileOf(entry), name).frame.progressive,
  );

  it.each(readable)('%s is Pillow’s', (name, entry) => {
    const file = fileOf(entry);
    const picture = readSlowly(file, readJpeg(file, name).colours);
    expect(sha256(rebuilt(picture).data)).toBe(entry.sha256);
    if (!(name in scaled)) return;
    for (const scale of [2, 4, 8] as const) {
      expect(sha256(rebuilt(picture, scale).data), `at 1/${scale}`).toBe(scaled[name][scale]);
    }
  });

  it.each(hostile)('coefficients beyond all measure, file at byte $at', ({ at, bytes, sha256: pixels }) => {
    const file = golden('jpeg_samples.bin').subarray(at, at + bytes);
    const picture = readSlowly(file, 'grey' satisfies JpegColours);
    for (const scale of SCALES) {
      const { data } = rebuilt(picture, scale);
      expect(data, `at 1/${scale}`).toEqual(pixelsOf(picture, scale).data);
      expect(sha256(data), `at 1/${scale}`).toBe(pixels[scale]);
    }
  });
});
