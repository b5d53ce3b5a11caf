/**
 * The structure of a PNG, checked before anything is decoded: codecs that believe a header of 30000×30000 in a file of 69
 * bytes take 10.8 GB for it, and show pictures without data or with two headers as if nothing were wrong. Section numbers are those of the PNG specification, third edition (www.w3.org/TR/png-3).
 *
 * What Pillow and Chromium both open is read, with a warning where something is wrong: once the pixels are there, nothing
 * after them matters. Refused is what could change pixels: a wrong CRC of IHDR, PLTE or IDAT, chunks in a wrong order.
 *
 * Not here: the compressed data itself, which needs an inflater (decode.ts checks it), and ancillary
 * chunks, which are passed over. gAMA, iCCP and their like change nothing, since alpha is dropped and color profiles are
 * ignored.
 */
import { crc32, join } from '../../base/bytes.js';
import { MobileNetError, show } from '../../base/errors.js';
import { type ByteRange, checkPixelLimit, refuse } from '../header.js';

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
  /** Whether it has tRNS: colors that are transparent. */
  transparent: boolean;
  /** What is wrong with the file and keeps nobody from decoding it. */
  warnings: string[];
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
 * @param checked this has been done once, so the checksums are not taken again
 * @throws MobileNetError IMAGE, with file and offset, for a file that is not a valid PNG; LIMIT for more than
 *   `env.limits.imagePixels`; UNSUPPORTED for a critical chunk this version of PNG does not have
 */
export function readPng(bytes: Uint8Array, file: string, { checked = false }: { checked?: boolean } = {}): PngLayout {
  let header: Header | undefined;
  let palette: ByteRange | undefined;
  let pixels: ByteRange | undefined;
  let exif: ByteRange | undefined;
  let compressedBytes = 0;
  let transparent = false;
  const warnings: string[] = [];

  const finish = (offset: number): PngLayout => {
    if (pixels === undefined || compressedBytes === 0) {
      refuse(file, offset, 'expected pixels, got no IDAT chunk with data');
    }
    if (header!.colourType === 3 && palette === undefined) {
      refuse(file, offset, 'expected a PLTE chunk for palette colours, got none');
    }
    return {
      ...header!,
      pixels: pixels!,
      compressedBytes,
      transparent,
      warnings,
      ...(palette === undefined ? {} : { palette }),
      ...(exif === undefined ? {} : { exif }),
    };
  };
  /** The end of a file whose pixels are there, in part at least; the codec says whether one is missing. */
  const stop = (offset: number, problem: string): PngLayout => {
    warnings.push(problem);
    return finish(offset);
  };

  for (let at = SIGNATURE_BYTES; ; ) {
    const data = at + 8;
    if (pixels !== undefined && at === bytes.length) return stop(at, 'it has no IEND chunk');
    if (data + 4 > bytes.length) {
      if (pixels !== undefined) return stop(at, `it ends within a chunk at byte ${at}`);
      refuse(file, at, `expected a chunk at byte ${at}, the file ends there (truncated PNG)`);
    }
    const length = uint32(bytes, at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, data));
    const end = data + length + 4;
    if (!/^[A-Za-z]{4}$/.test(type)) {
      if (pixels !== undefined) return stop(at, `expected a chunk at byte ${at}, got the type ${show(type)}`);
      refuse(file, at + 4, `expected the type of a chunk at byte ${at + 4}, got ${show(type)}`);
    }
    if (header === undefined && type !== 'IHDR') refuse(file, at, `expected IHDR as the first chunk, got ${type}`);
    if (end > bytes.length) {
      const cut = `chunk ${type} at byte ${at} needs ${length} bytes, the file has ${Math.max(0, bytes.length - data - 4)}`;
      // All pixels may be there, with only the chunk's CRC or the stream's checksum cut off.
      if (type === 'IDAT' && (pixels === undefined || pixels.end === at)) {
        pixels = { start: pixels?.start ?? at, end: bytes.length };
        compressedBytes += Math.min(length, bytes.length - data);
      }
      if (pixels !== undefined) return stop(at, `${cut} (truncated PNG)`);
      refuse(file, at, `${cut} (truncated PNG)`);
    }
    if (!checked && crc32(bytes.subarray(at + 4, end - 4)) !== uint32(bytes, end - 4)) {
      const wrong = `chunk ${type} at byte ${at} does not have the CRC it says`;
      // A small first letter: nobody needs the chunk (section 5.4).
      if (type[0] < 'a' && type !== 'IEND') refuse(file, at, `${wrong} (damaged PNG)`);
      warnings.push(wrong);
    }

    switch (type) {
      case 'IHDR':
        if (header !== undefined) refuse(file, at, `expected IHDR once, got another at byte ${at}`);
        header = readHeader(bytes, data, length, file);
        break;
      case 'PLTE':
        if (pixels !== undefined && header!.colourType !== 3) {
          warnings.push(`PLTE at byte ${at} comes after the pixels`);
          break;
        }
        if (palette !== undefined) refuse(file, at, `expected PLTE once, got another at byte ${at}`);
        if (pixels !== undefined) refuse(file, at, `expected PLTE before IDAT, got it at byte ${at}`);
        checkPalette(length, header!, at, file, warnings);
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
        if (length !== 0) warnings.push(`IEND holds ${length} bytes`);
        if (end < bytes.length) warnings.push(`${bytes.length - end} more bytes come after IEND`);
        return finish(at);
      case 'tRNS':
        transparent = true;
        break;
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
function checkPalette(
  length: number,
  { colourType, depth }: Header,
  at: number,
  file: string,
  warnings: string[],
): void {
  if (colourType === 0 || colourType === 4) {
    warnings.push(`PLTE at byte ${at} has no meaning with color type ${colourType}`);
    return;
  }
  const most = colourType === 3 ? 2 ** depth : 256;
  const wrong = `PLTE: expected 3 bytes for each of 1 to ${most} colors, got ${length} bytes`;
  if (length < 3 || length > 768) refuse(file, at, wrong);
  if (length % 3 !== 0 || length > most * 3) warnings.push(wrong);
}

/** How many colors the palette has that pixels can name. */
export function paletteColours({ palette, depth }: PngLayout): number {
  return palette === undefined ? 0 : Math.min(2 ** depth, Math.floor((palette.end - palette.start - CHUNK_FRAME) / 3));
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
    const there = Math.min(length, compressedBytes - to); // less in the last chunk of a file that is cut off
    out.set(bytes.subarray(at + 8, at + 8 + there), to);
    to += there;
    at += length + CHUNK_FRAME;
  }
  return out;
}

/** The same picture with its palette indices as shades of grey, which lie in a file as they do. */
export function asGreyPng(bytes: Uint8Array, layout: PngLayout): Uint8Array<ArrayBuffer> {
  return pngFile({ ...layout, colourType: 0 }, pngChunk('IDAT', compressedData(bytes, layout)));
}

/** A whole file: signature, header, the chunks given, the end. */
export function pngFile(
  { width, height, depth, colourType, interlaced }: Header,
  ...chunks: Uint8Array[]
): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(IHDR_BYTES); // compression and filter method are 0
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([depth, colourType, 0, 0, Number(interlaced)], 8);
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  return join([signature, pngChunk('IHDR', header), ...chunks, pngChunk('IEND', new Uint8Array())]);
}

/** Section 5.3: length, type, data, CRC. */
export function pngChunk(type: string, data: Uint8Array | Uint8ClampedArray): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(data.length + CHUNK_FRAME);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  out.set(data, 8);
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)));
  return out;
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

export function isGreyPng({ colourType }: PngLayout): boolean {
  return colourType === 0 || colourType === 4;
}
