/**
 * PNG where there is neither a browser's decoder nor Node's zlib: the platform inflates and deflates
 * (`CompressionStream` and its sister, which check the Adler-32), rows are filtered here. Sections are those of the PNG
 * specification, third edition (www.w3.org/TR/png-3); what `readPng` has checked is not checked again.
 */
import { crc32, join, transformed } from '../base/bytes.js';
import type { DecodedImage } from '../base/env.js';
import { isGreyPng } from '../processors/decode.js';
import { refuse } from '../processors/header.js';
import { checkPixels } from '../processors/pixels.js';
import {
  compressedData,
  inflatedBytes,
  type PngLayout,
  type PngPass,
  pngPasses,
  readPng,
  SAMPLES,
} from '../processors/png-header.js';

/**
 * Decodes a PNG to grey [H,W,1] or RGB [H,W,3]; alpha is dropped, 16-bit samples keep their upper byte.
 * @throws MobileNetError with `file`: IMAGE, LIMIT, UNSUPPORTED as `readPng`, and IMAGE for damaged pixels
 */
export async function decodePng(bytes: Uint8Array, file: string): Promise<DecodedImage> {
  const layout = readPng(bytes, file);
  const data = await inflate(bytes, layout, file);
  const { width, height } = layout;
  const channels = isGreyPng(layout) ? 1 : 3;
  const image = { data: new Uint8Array(width * height * channels), width, height, channels } as const;
  const place = layout.colourType === 3 ? placeIndices(image, layout, bytes, file) : placeSamples(image, layout);
  const pixelBytes = Math.max(1, (layout.depth * SAMPLES[layout.colourType]) >> 3);
  let at = 0;
  for (const pass of pngPasses(layout)) {
    let above = new Uint8Array(pass.rowBytes);
    for (let y = 0; y < pass.rows; y++) {
      const filter = data[at];
      const row = data.subarray(at + 1, at + 1 + pass.rowBytes);
      if (filter > 4) refuse(file, layout.pixels.start, `IDAT: expected row filter 0 to 4, got ${filter}`);
      unfilter(filter, row, above, pixelBytes);
      place(row, pass, (pass.top + y * pass.stepY) * width + pass.left);
      above = row;
      at += 1 + pass.rowBytes;
    }
  }
  return image;
}

/** All rows with their filter bytes, in memory of exactly that size: a stream that gives more is given up at once. */
async function inflate(bytes: Uint8Array, layout: PngLayout, file: string): Promise<Uint8Array<ArrayBuffer>> {
  const expected = inflatedBytes(layout);
  const out = new Uint8Array(expected);
  let length = 0;
  let got = '';
  try {
    for await (const chunk of transformed(compressedData(bytes, layout), new DecompressionStream('deflate'))) {
      if (length + chunk.length > expected) {
        got = 'more';
        break;
      }
      out.set(chunk, length);
      length += chunk.length;
    }
  } catch (cause) {
    got = (cause as Error).message;
  }
  if (got === '' && length === expected) return out;
  return refuse(
    file,
    layout.pixels.start,
    `IDAT: expected ${expected} bytes of pixels after inflating, got ${got || length}`,
  );
}

/** Section 9.2, in place. `above` is the row before, zeros for the first. */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array, pixelBytes: number): void {
  switch (filter) {
    case 1: // Sub
      for (let i = pixelBytes; i < row.length; i++) row[i] += row[i - pixelBytes];
      return;
    case 2: // Up
      for (let i = 0; i < row.length; i++) row[i] += above[i];
      return;
    case 3: // Average
      for (let i = 0; i < row.length; i++) row[i] += ((i < pixelBytes ? 0 : row[i - pixelBytes]) + above[i]) >> 1;
      return;
    case 4: // Paeth
      for (let i = 0; i < row.length; i++) {
        row[i] += i < pixelBytes ? above[i] : paeth(row[i - pixelBytes], above[i], above[i - pixelBytes]);
      }
  }
}

/** Section 9.4: of the three neighbours the one that is nearest to left + up - corner. */
function paeth(left: number, up: number, corner: number): number {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Puts a row of a pass into the picture, from its first pixel `to` on. */
type Place = (row: Uint8Array, pass: PngPass, to: number) => void;

/** Grey and RGB. Alpha stands behind the colours, the lower byte of 16 bits behind the upper one. */
function placeSamples({ data, channels }: DecodedImage, { depth, colourType }: PngLayout): Place {
  if (depth < 8) {
    const scale = 255 / (2 ** depth - 1); // section 13.12: 1, 2 and 4 bits are spread over 0 to 255
    return (row, { columns, stepX }, to) => {
      for (let x = 0; x < columns; x++) data[to + x * stepX] = packed(row, x, depth) * scale;
    };
  }
  const sample = depth >> 3;
  const pixel = sample * SAMPLES[colourType];
  return (row, { columns, stepX }, to) => {
    for (let x = 0; x < columns; x++) {
      const at = (to + x * stepX) * channels;
      for (let c = 0; c < channels; c++) data[at + c] = row[x * pixel + c * sample];
    }
  };
}

/** Palette colours. */
function placeIndices({ data }: DecodedImage, layout: PngLayout, bytes: Uint8Array, file: string): Place {
  const { start, end } = layout.palette!;
  const palette = bytes.subarray(start + 8, end - 4);
  return (row, { columns, stepX }, to) => {
    for (let x = 0; x < columns; x++) {
      const index = packed(row, x, layout.depth);
      if (index * 3 >= palette.length) {
        refuse(file, layout.pixels.start, `IDAT: expected palette indices below ${palette.length / 3}, got ${index}`);
      }
      data.set(palette.subarray(index * 3, index * 3 + 3), (to + x * stepX) * 3);
    }
  };
}

/** Section 7.2: of samples smaller than a byte the first stands in the highest bits. */
function packed(row: Uint8Array, x: number, depth: number): number {
  const bit = x * depth;
  return (row[bit >> 3] >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
}

/** PNG's colour types by the number of channels. */
const COLOUR_TYPES = { 1: 0, 3: 2, 4: 6 } as const;

/** Encodes a grey, RGB or RGBA picture, 8 bits a sample. @throws MobileNetError ARG for a picture that is none */
export async function encodePng(image: DecodedImage): Promise<Uint8Array> {
  checkPixels(image);
  const { data, width, height, channels } = image;
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([8, COLOUR_TYPES[channels]], 8); // deflate, filters and no interlacing are 0
  const rowBytes = width * channels;
  const rows = new Uint8Array(height * (1 + rowBytes));
  for (let y = 0; y < height; y++) {
    const row = rows.subarray(y * (1 + rowBytes), (y + 1) * (1 + rowBytes));
    row[0] = 2; // Up: differences to the row above deflate well, for photographs and masks
    for (let i = 0; i < rowBytes; i++)
      row[1 + i] = data[y * rowBytes + i] - (y === 0 ? 0 : data[(y - 1) * rowBytes + i]);
  }
  const deflated: Uint8Array[] = [];
  for await (const part of transformed(rows, new CompressionStream('deflate'))) deflated.push(part);
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  return join([signature, chunk('IHDR', header), chunk('IDAT', join(deflated)), chunk('IEND', new Uint8Array())]);
}

/** Section 5.3: length, type, data, CRC. */
function chunk(type: string, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  out.set(data, 8);
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)));
  return out;
}
