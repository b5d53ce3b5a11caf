/**
 * The structure of a PNG, checked before any codec sees the file: pngjs believes a header of 30000×30000 in a file of 69
 * bytes and takes 10.8 GB for it, and shows pictures without data, with width 0 or with two headers as if nothing were
 * wrong. Section numbers are those of the PNG specification, third edition (www.w3.org/TR/png-3).
 *
 * Not here: the compressed data itself, which needs an inflater (node/png.ts and codecs/png.ts check it), and ancillary chunks, which
 * are passed over but for their CRC. tRNS, gAMA, iCCP and their like change nothing, since alpha is dropped and colour
 * profiles are ignored.
 */
import { crc32, join } from '../base/bytes.js';
import { MobileNetError, show } from '../base/errors.js';
import { type ByteRange, checkPixelLimit, refuse } from './header.js';

export interface PngLayout {
  /** In pixels. */
  width: number;
  height: number;
  /** Bits of a sample, or of a palette index. */
  depth: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha. */
  colourType: number;
  interlaced: boolean;
  /** The PLTE chunk, whole. */
  palette?: ByteRange;
  /** The IDAT chunks, whole; they stand side by side. */
  pixels: ByteRange;
  /** Bytes of compressed data in them. */
  compressedBytes: number;
  /** The content of the eXIf chunk. */
  exif?: ByteRange;
}

type Header = Pick<PngLayout, 'width' | 'height' | 'depth' | 'colourType' | 'interlaced'>;

/** Section 11.2.1, table of allowed combinations: bit depths by colour type. */
const DEPTHS: Record<number, readonly number[]> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};
/** Samples of a pixel by colour type. */
export const SAMPLES: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

const SIGNATURE_BYTES = 8;
/** Length, type and CRC around a chunk's data. */
const CHUNK_FRAME = 12;
const IHDR_BYTES = 13;

/**
 * Walks over all chunks of a file that starts with PNG's signature.
 *
 * @throws MobileNetError IMAGE, with file and offset, for a file that is no valid PNG; LIMIT for more than
 *   `env.limits.imagePixels`; UNSUPPORTED for a critical chunk this version of PNG does not have
 */
export function readPng(bytes: Uint8Array, file: string): PngLayout {
  let header: Header | undefined;
  let palette: ByteRange | undefined;
  let pixels: ByteRange | undefined;
  let exif: ByteRange | undefined;
  let compressedBytes = 0;

  for (let at = SIGNATURE_BYTES; ; ) {
    const data = at + 8;
    if (data + 4 > bytes.length) {
      refuse(file, at, `expected a chunk at byte ${at}, the file ends there (truncated PNG)`);
    }
    const length = uint32(bytes, at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, data));
    const end = data + length + 4;
    if (!/^[A-Za-z]{4}$/.test(type)) {
      refuse(file, at + 4, `expected the type of a chunk at byte ${at + 4}, got ${show(type)}`);
    }
    if (end > bytes.length) {
      refuse(
        file,
        at,
        `chunk ${type} at byte ${at} needs ${length} bytes, the file has ${bytes.length - data - 4} (truncated PNG)`,
      );
    }
    if (header === undefined && type !== 'IHDR') refuse(file, at, `expected IHDR as the first chunk, got ${type}`);
    if (crc32(bytes.subarray(at + 4, end - 4)) !== uint32(bytes, end - 4)) {
      refuse(file, at, `chunk ${type} at byte ${at} does not have the CRC it says (damaged PNG)`);
    }

    switch (type) {
      case 'IHDR':
        if (header !== undefined) refuse(file, at, `expected IHDR once, got another at byte ${at}`);
        header = readHeader(bytes, data, length, file);
        break;
      case 'PLTE':
        checkPalette(length, header!, at, file);
        if (palette !== undefined) refuse(file, at, `expected PLTE once, got another at byte ${at}`);
        if (pixels !== undefined) refuse(file, at, `expected PLTE before IDAT, got it at byte ${at}`);
        palette = { start: at, end };
        break;
      case 'IDAT':
        if (pixels !== undefined && pixels.end !== at) {
          refuse(file, at, `expected all IDAT chunks in a row, got ${type} at byte ${at}`);
        }
        pixels = { start: pixels?.start ?? at, end };
        compressedBytes += length;
        break;
      case 'IEND':
        if (length !== 0) refuse(file, at, `expected an empty IEND, got ${length} bytes`);
        if (pixels === undefined || compressedBytes === 0) {
          refuse(file, at, 'expected pixels, got no IDAT chunk with data');
        }
        if (header!.colourType === 3 && palette === undefined) {
          refuse(file, at, 'expected a PLTE chunk for palette colours, got none');
        }
        if (end < bytes.length) {
          refuse(file, end, `expected the end of the file behind IEND, got ${bytes.length - end} more bytes`);
        }
        return {
          ...header!,
          pixels: pixels!,
          compressedBytes,
          ...(palette === undefined ? {} : { palette }),
          ...(exif === undefined ? {} : { exif }),
        };
      case 'eXIf':
        exif ??= { start: data, end: data + length };
        break;
      default:
        // A capital first letter means: not to be passed over by those who do not know it (section 5.4).
        if (type[0] < 'a') {
          throw new MobileNetError('UNSUPPORTED', `${file}: critical chunk ${type} at byte ${at} is none of PNG's`, {
            file,
            offset: at,
          });
        }
    }
    at = end;
  }
}

function readHeader(bytes: Uint8Array, at: number, length: number, file: string): Header {
  if (length !== IHDR_BYTES) refuse(file, at, `IHDR: expected ${IHDR_BYTES} bytes, got ${length}`);
  const width = uint32(bytes, at);
  const height = uint32(bytes, at + 4);
  const [depth, colourType, compression, filter, interlace] = bytes.subarray(at + 8, at + IHDR_BYTES);
  if (width < 1 || height < 1 || width > 0x7fffffff || height > 0x7fffffff) {
    refuse(file, at, `IHDR: expected a width and height from 1 to 2147483647, got ${width}×${height}`);
  }
  if (DEPTHS[colourType] === undefined) {
    refuse(file, at, `IHDR: expected colour type 0, 2, 3, 4 or 6, got ${colourType}`);
  }
  if (!DEPTHS[colourType].includes(depth)) {
    refuse(file, at, `IHDR: colour type ${colourType} has bit depth ${DEPTHS[colourType].join(', ')}, got ${depth}`);
  }
  if (compression !== 0 || filter !== 0) {
    refuse(file, at, `IHDR: expected compression and filter method 0, got ${compression} and ${filter}`);
  }
  if (interlace > 1) refuse(file, at, `IHDR: expected interlace method 0 or 1, got ${interlace}`);
  checkPixelLimit(width, height, file);
  return { width, height, depth, colourType, interlaced: interlace === 1 };
}

/** Section 11.2.2. */
function checkPalette(length: number, { colourType, depth }: Header, at: number, file: string): void {
  if (colourType === 0 || colourType === 4) {
    refuse(file, at, `expected no PLTE with colour type ${colourType}, got one`);
  }
  const most = colourType === 3 ? 2 ** depth : 256;
  if (length === 0 || length % 3 !== 0 || length > most * 3) {
    refuse(file, at, `PLTE: expected 3 bytes for each of 1 to ${most} colours, got ${length} bytes`);
  }
}

/** A picture that is compressed by itself: the whole, or one of the seven that an interlaced one is cut into. */
export interface PngPass {
  /** Its first pixel in the whole picture, and the steps to the next. */
  left: number;
  top: number;
  stepX: number;
  stepY: number;
  /** Its own size, in pixels. */
  columns: number;
  rows: number;
  /** Bytes of a row without its filter byte. */
  rowBytes: number;
}

/** The passes that hold pixels, in the order of their data. One without columns has no rows either. */
export function pngPasses({ width, height, depth, colourType, interlaced }: PngLayout): PngPass[] {
  const bits = depth * SAMPLES[colourType];
  return (interlaced ? ADAM7 : WHOLE)
    .map(([left, top, stepX, stepY]) => {
      const columns = Math.ceil((width - left) / stepX);
      const rows = Math.ceil((height - top) / stepY);
      return { left, top, stepX, stepY, columns, rows, rowBytes: Math.ceil((columns * bits) / 8) };
    })
    .filter(({ columns, rows }) => columns > 0 && rows > 0);
}

/** How many bytes the compressed data must inflate to: a filter byte before every row (section 9.2). */
export function inflatedBytes(layout: PngLayout): number {
  return pngPasses(layout).reduce((total, { rows, rowBytes }) => total + rows * (1 + rowBytes), 0);
}

const WHOLE = [[0, 0, 1, 1]] as const;

/** Section 8.1: first column and row of each pass, and the steps between them. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** The compressed data of all IDAT chunks, in one piece. */
export function compressedData(bytes: Uint8Array, { pixels, compressedBytes }: PngLayout): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(compressedBytes);
  let to = 0;
  for (let at = pixels.start; at < pixels.end; ) {
    const length = uint32(bytes, at);
    out.set(bytes.subarray(at + 8, at + 8 + length), to);
    to += length;
    at += length + CHUNK_FRAME;
  }
  return out;
}

/**
 * The same picture without ancillary chunks: what a codec may see, so that none applies a gamma or profile, turns it by its
 * eXIf, or (pngjs) blackens the colour that tRNS names.
 */
export function essentialPng(bytes: Uint8Array, { palette, pixels }: PngLayout): Uint8Array<ArrayBuffer> {
  return join([
    bytes.subarray(0, SIGNATURE_BYTES + CHUNK_FRAME + IHDR_BYTES),
    bytes.subarray(palette?.start ?? 0, palette?.end ?? 0),
    bytes.subarray(pixels.start, pixels.end),
    bytes.subarray(bytes.length - CHUNK_FRAME), // IEND: empty, and the last
  ]);
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}
