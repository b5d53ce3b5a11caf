/**
 * Pictures that cost as much as a stranger can make them cost within `env.limits`: thin ones, those whose bytes say much of
 * pixels, those that go over their pixels again and again. They are grey or nearly so; what counts is the way to it.
 */
import { crc32, createDeflate } from 'node:zlib';
import { exifBlock, segment, text } from '../helpers/jpeg-files.js';

// PNG ---------------------------------------------------------------------------------------------------------------------

export interface PngKind {
  /** As IHDR has them. */
  colourType: 0 | 2 | 3 | 4 | 6;
  depth?: 1 | 8 | 16;
  interlaced?: boolean;
  /** The filter of every row, 0 to 4. */
  filter?: number;
  /** Bytes that are random, one in so many; else all are the same, which is the most that deflate can make of little. */
  randomEvery?: number;
  /** EXIF's orientation. */
  orientation?: number;
  /** Leaves out the checksum at the end of the compressed data, so that only our own inflater takes them. */
  withoutChecksum?: boolean;
}

const SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;
/** First column and row of the seven passes, and steps. PNG, 8.2. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

function chunk(type: string, data: Uint8Array): Buffer {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length);
  out.write(type, 4, 'latin1');
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}

/** Rows of the file: how many, and bytes of each with its filter byte. */
function rowsOf(width: number, height: number, { colourType, depth = 8, interlaced = false }: PngKind) {
  const bytes = (columns: number) => 1 + Math.ceil((columns * SAMPLES[colourType] * depth) / 8);
  if (!interlaced) return [{ rows: height, bytes: bytes(width) }];
  return PASSES.map(([x, y, stepX, stepY]) => ({
    rows: width > x ? Math.max(0, Math.ceil((height - y) / stepY)) : 0,
    bytes: bytes(Math.ceil((width - x) / stepX)),
  })).filter(({ rows }) => rows > 0);
}

/** Compressed piece by piece: what is filtered may be 400 MB. */
async function compressed(width: number, height: number, kind: PngKind): Promise<Buffer> {
  const { filter = 0, randomEvery = 0 } = kind;
  const deflate = createDeflate({ level: randomEvery > 0 ? 1 : 9 });
  const pieces: Buffer[] = [];
  deflate.on('data', (piece) => pieces.push(piece));
  const write = (bytes: Buffer) => new Promise<void>((resolve) => deflate.write(bytes, () => resolve()));
  let seed = 1;
  for (const { rows, bytes } of rowsOf(width, height, kind)) {
    // At once some rows, of which every one begins with its filter.
    const atOnce = Math.max(1, Math.min(rows, Math.floor(1_000_000 / bytes)));
    for (let y = 0; y < rows; y += atOnce) {
      const piece = Buffer.alloc(Math.min(atOnce, rows - y) * bytes);
      for (let at = 0; randomEvery > 0 && at < piece.length; at += randomEvery) {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        piece[at] = seed >>> 24;
      }
      for (let at = 0; at < piece.length; at += bytes) piece[at] = filter;
      await write(piece);
    }
  }
  await new Promise<void>((resolve) => deflate.on('end', resolve).end());
  return Buffer.concat(pieces);
}

async function largePng(width: number, height: number, kind: PngKind): Promise<Buffer> {
  const { colourType, depth = 8, interlaced = false, orientation, withoutChecksum = false } = kind;
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, depth, colourType, 0, 0, interlaced ? 1 : 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const data = await compressed(width, height, kind);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    ...(colourType === 3 ? [chunk('PLTE', Buffer.alloc(768, 90))] : []),
    ...(orientation === undefined ? [] : [chunk('eXIf', exifBlock(orientation))]),
    chunk('IDAT', withoutChecksum ? data.subarray(0, -4) : data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

// JPEG --------------------------------------------------------------------------------------------------------------------

export interface JpegScan {
  components: readonly number[];
  first: number;
  last: number;
  high: number;
  low: number;
  /** Huffman tables of this scan, as DHT has them. */
  tables: readonly Uint8Array[];
  /** Bits that come again and again, and how often. */
  bits: string;
  times: number;
}

/** A table whose one symbol has the code 0. */
const table = (slot: number, ...symbols: number[]): Uint8Array => {
  const counts = new Uint8Array(16);
  for (let i = 0; i < symbols.length; i++) counts[i] = 1; // codes 0, 10, 110 …
  return Uint8Array.from([slot, ...counts, ...symbols]);
};
const DC = table(0x00, 0);

/** `bits` as often as wanted, filled up with ones, zeros stuffed after 0xFF. */
function repeated(bits: string, times: number): Buffer {
  const period = bits.repeat(8 / gcd(bits.length, 8));
  const bytes = stuffed(period);
  const periods = Math.floor((bits.length * times) / period.length);
  const rest = period.slice(0, bits.length * times - periods * period.length);
  return Buffer.concat([
    Buffer.alloc(bytes.length * periods, bytes),
    stuffed(rest.padEnd(Math.ceil(rest.length / 8) * 8, '1')),
  ]);
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

function stuffed(bits: string): Buffer {
  const bytes: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    const byte = Number.parseInt(bits.slice(at, at + 8), 2);
    bytes.push(byte);
    if (byte === 0xff) bytes.push(0);
  }
  return Buffer.from(bytes);
}

export interface JpegKind {
  components: 1 | 3 | 4;
  progressive?: boolean;
  orientation?: number;
  /** Sampling factors of the first component; the others have 1. */
  sampling?: [h: number, v: number];
}

function largeJpeg(width: number, height: number, kind: JpegKind, scans: readonly JpegScan[]): Buffer {
  const { components, progressive = false, orientation, sampling: [h, v] = [1, 1] } = kind;
  const frame = [8, height >> 8, height & 255, width >> 8, width & 255, components];
  for (let c = 0; c < components; c++) frame.push(c + 1, c === 0 ? (h << 4) | v : 0x11, 0);
  const parts: Uint8Array[] = [Uint8Array.of(0xff, 0xd8)];
  if (orientation !== undefined) parts.push(segment(0xe1, [...text('Exif\0\0'), ...exifBlock(orientation)]));
  parts.push(segment(0xdb, [0, ...new Uint8Array(64).fill(1)]), segment(progressive ? 0xc2 : 0xc0, frame));
  for (const { components: scanned, first, last, high, low, tables, bits, times } of scans) {
    parts.push(...tables.map((bytes) => segment(0xc4, bytes)));
    const header = [scanned.length, ...scanned.flatMap((c) => [c + 1, 0]), first, last, (high << 4) | low];
    parts.push(segment(0xda, header), repeated(bits, times));
  }
  parts.push(Uint8Array.of(0xff, 0xd9));
  return Buffer.concat(parts);
}

const all = (components: number): number[] => Array.from({ length: components }, (_, c) => c);
const blocksOf = (width: number, height: number): number => Math.ceil(width / 8) * Math.ceil(height / 8);

/** One scan: every block has a DC of the one before and no AC, or 63 of them that are 1. */
function sequential(width: number, height: number, components: number, dense: boolean): JpegScan[] {
  const block = dense ? `0${'01'.repeat(63)}` : '010';
  const tables = [DC, table(0x10, 0x01, 0x00)];
  const times = blocksOf(width, height);
  const bits = block.repeat(components);
  return [{ components: all(components), first: 0, last: 63, high: 0, low: 0, tables, bits, times }];
}

/** DC in one scan, all bits of them. */
function dcAlone(width: number, height: number, components: number, low = 0): JpegScan[] {
  const times = blocksOf(width, height);
  const bits = '0'.repeat(components);
  return [{ components: all(components), first: 0, last: 0, high: 0, low, tables: [DC], bits, times }];
}

/**
 * DC, then of every component the AC, of which `each` of a block are not 0 (the last ones), then scan after scan that goes
 * over the coefficients of a component again and brings one more bit of each that is not 0.
 */
function refined(width: number, height: number, components: number, scans: number, each: number): JpegScan[] {
  const times = blocksOf(width, height);
  const list = dcAlone(width, height, components);
  for (let c = 0; c < components; c++) {
    const ac = { components: [c], first: 64 - each, last: 63, high: 0, low: 1 };
    list.push({ ...ac, tables: [table(0x10, 0x01)], bits: '01'.repeat(each), times });
  }
  // A run of 32,767 blocks without new coefficients, and a bit for each old one.
  const run = 32_767;
  for (let n = list.length; n < scans; n++) {
    const ac = { components: [n % components], first: 1, last: 63, high: 1, low: 0 };
    const bits = `0${'1'.repeat(14)}${'0'.repeat(run * each)}`;
    list.push({ ...ac, tables: [table(0x10, 0xe0)], bits, times: Math.ceil(times / run) });
  }
  return list;
}

/** DC, then coefficient 63 again and again: few are gone over, so that there may be as many scans as the limit says. */
function narrow(width: number, height: number, scans: number): JpegScan[] {
  const [dc, first, ...again] = refined(width, height, 1, scans, 1);
  return [dc, first, ...again.map((scan) => ({ ...scan, first: 63 }))];
}

/** Scans of one component each, in a sequential file: all coefficients are kept until the last one, and may come again. */
function apart(width: number, height: number, components: number, scans: number): JpegScan[] {
  return Array.from({ length: scans }, (_, n) => ({
    ...sequential(width, height, 1, false)[0],
    components: [n % components],
  }));
}

// All of them -------------------------------------------------------------------------------------------------------------

export interface LargePicture {
  what: string;
  width: number;
  height: number;
  make(): Promise<Buffer> | Buffer;
  /** Above what its scans may cost. */
  refused?: boolean;
}

/** @param most pixels of a picture; those of JPEGs in several scans have fewer where they keep more of each */
export function largePictures(most: number): LargePicture[] {
  const list: LargePicture[] = [];
  const shapes = {
    '1×N': [1, most],
    'N×1': [most, 1],
    square: [Math.floor(Math.sqrt(most)), Math.floor(Math.sqrt(most))],
  } as const;
  const addPng = (what: string, kind: PngKind, shape: keyof typeof shapes = 'square') => {
    const [width, height] = shapes[shape];
    list.push({ what: `PNG, ${what}, ${shape}`, width, height, make: () => largePng(width, height, kind) });
  };
  const addJpeg = (
    what: string,
    kind: JpegKind,
    scansOf: (width: number, height: number, components: number) => JpegScan[],
    { pixels = most, high = false, refused = false } = {},
  ) => {
    const side = Math.floor(Math.sqrt(pixels));
    const long = Math.min(65_535, pixels);
    const [width, height] = high ? [Math.floor(pixels / long), long] : [side, side];
    const scans = () => scansOf(width, height, kind.components);
    list.push({ what: `JPEG, ${what}`, width, height, refused, make: () => largeJpeg(width, height, kind, scans()) });
  };

  for (const shape of ['1×N', 'N×1', 'square'] as const) {
    addPng('grey', { colourType: 0 }, shape);
    addPng('RGB, Paeth', { colourType: 2, filter: 4 }, shape);
    addPng('RGBA', { colourType: 6, filter: 1 }, shape);
    addPng('RGBA of 16 bits', { colourType: 6, depth: 16, filter: 4 }, shape);
    addPng('palette', { colourType: 3 }, shape);
    addPng('grey of 1 bit', { colourType: 0, depth: 1 }, shape);
    addPng('RGB, interlaced', { colourType: 2, interlaced: true, filter: 4 }, shape);
    addPng('RGBA of 16 bits, interlaced', { colourType: 6, depth: 16, interlaced: true, filter: 4 }, shape);
    addPng('RGB, turned', { colourType: 2, orientation: 6 }, shape);
  }
  const worst = { colourType: 6, depth: 16, interlaced: true, filter: 4, orientation: 5 } as const;
  addPng('RGBA of 16 bits, interlaced, turned', worst, '1×N');
  addPng('RGBA of 16 bits, a file of 60 MB', { colourType: 6, depth: 16, filter: 4, randomEvery: 12 });
  const [width, height] = [7000, 7000];
  const damaged: PngKind = { colourType: 2, filter: 4, withoutChecksum: true };
  list.push({ what: 'PNG, RGB without a checksum', width, height, make: () => largePng(width, height, damaged) });

  addJpeg('grey', { components: 1 }, (w, h, n) => sequential(w, h, n, false));
  addJpeg('YCbCr', { components: 3 }, (w, h, n) => sequential(w, h, n, false));
  addJpeg('YCbCr, high', { components: 3 }, (w, h, n) => sequential(w, h, n, false), { high: true });
  addJpeg('YCbCr, no coefficient is 0', { components: 3 }, (w, h, n) => sequential(w, h, n, true));
  addJpeg('CMYK, no coefficient is 0', { components: 4 }, (w, h, n) => sequential(w, h, n, true));
  addJpeg('CMYK, turned', { components: 4, orientation: 6 }, (w, h, n) => sequential(w, h, n, true));
  addJpeg('grey, 60 scans of one coefficient', { components: 1, progressive: true }, (w, h) => narrow(w, h, 60));
  const grey = { components: 1, progressive: true } as const;
  const full = { components: 3, progressive: true } as const;
  const inks = { components: 4, progressive: true } as const;
  // As many scans as may go over so many pixels, 16 times the limit of pixels in all.
  addJpeg('grey, progressive, 13 scans', grey, (w, h, n) => refined(w, h, n, 13, 1));
  addJpeg('grey, progressive, 9 scans, no coefficient is 0', grey, (w, h, n) => refined(w, h, n, 9, 63));
  addJpeg('grey, progressive, DC alone', grey, dcAlone);
  const of3 = { pixels: Math.min(most, 37_600_000) };
  addJpeg('YCbCr, progressive, 19 scans', full, (w, h, n) => refined(w, h, n, 19, 1), of3);
  addJpeg('YCbCr, progressive, 8 scans, no coefficient is 0', full, (w, h, n) => refined(w, h, n, 8, 63), of3);
  addJpeg('YCbCr, progressive, DC alone', full, dcAlone, of3);
  addJpeg('YCbCr, progressive, turned', { ...full, orientation: 6 }, (w, h, n) => refined(w, h, n, 7, 1), of3);
  addJpeg('YCbCr, a scan each, 16 scans', { components: 3 }, (w, h, n) => apart(w, h, n, 16), of3);
  const of4 = { pixels: Math.min(most, 12_400_000) };
  addJpeg('CMYK, progressive, 52 scans', inks, (w, h, n) => refined(w, h, n, 52, 1), of4);
  addJpeg('CMYK, progressive, DC alone', inks, dcAlone, of4);
  addJpeg('100 scans', { components: 1, progressive: true }, (w, h, n) => refined(w, h, n, 100, 1), {
    pixels: Math.min(most, 6_500_000),
  });

  const refused = { pixels: 50_000_000, refused: true };
  addJpeg('grey, progressive, 100 scans', grey, (w, h, n) => refined(w, h, n, 100, 1), refused);
  addJpeg('YCbCr, progressive, 50 MP', full, dcAlone, refused);
  addJpeg('CMYK, progressive, 50 MP', inks, dcAlone, refused);
  addJpeg('YCbCr, a scan each, 50 MP', { components: 3 }, (w, h, n) => apart(w, h, n, 3), refused);
  list.push({
    ...{ what: 'PNG, RGBA of 16 bits without a checksum', width: 7071, height: 7071, refused: true },
    make: () => largePng(7071, 7071, { colourType: 6, depth: 16, withoutChecksum: true }),
  });
  return list;
}
