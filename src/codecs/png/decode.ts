/**
 * PNG by our own code, the same everywhere. The platform inflates and deflates; rows are unfiltered and samples picked in
 * WebAssembly (rows.ts), while the next bytes are inflated. Sections are those of the PNG specification, third edition
 * (www.w3.org/TR/png-3); what `readPng` has checked is not checked again.
 */
import { join, transformed } from '../../base/bytes.js';
import { env } from '../../base/env.js';
import { MobileNetError } from '../../base/errors.js';
import type { DecodedImage } from '../../base/pixels.js';
import { checkPixels } from '../../base/pixels.js';
import { mostPixels, refuse, refuseWork } from '../header.js';
import { adler32, type Inflated, inflateTo } from '../inflate.js';
import { compressedData, inflatedBytes, type PngLayout, pngChunk, pngFile, readPng } from './header.js';
import { PngRows } from './rows.js';

/** What one byte can become at most: of 258 bytes a copy of two bits (RFC 1951, 3.2.5). */
const MOST_INFLATED = 1032;

/** Bytes that our own inflater may give, as a multiple of the limit of pixels: 150 MB take it 1 s, and zlib 0.2. */
const BY_HAND_OF_LIMIT = 3;

/**
 * Decodes a PNG to grey [H,W,1] or RGB [H,W,3]; alpha is dropped, 16-bit samples keep their upper byte.
 * @throws MobileNetError with `file`: IMAGE, LIMIT, UNSUPPORTED as `readPng`, and IMAGE for damaged pixels
 */
export async function decodePng(
  bytes: Uint8Array,
  file: string,
  { lowerBytes = false, checked = false }: { lowerBytes?: boolean; checked?: boolean } = {},
): Promise<DecodedImage> {
  const layout = readPng(bytes, file, { checked });
  const expected = inflatedBytes(layout);
  if (expected > MOST_INFLATED * layout.compressedBytes) {
    refusePixels(layout, file, `${layout.compressedBytes} compressed ones (truncated PNG)`);
  }
  const rows = new PngRows(bytes, layout, { lowerBytes, file });
  try {
    const compressed = compressedData(bytes, layout);
    const warnings: string[] = [];
    if (!(await isInflatedHere(compressed, rows))) warnings.push(...inflateByHand(compressed, rows, layout, file));
    if (rows.lacksColors) warnings.push('pixels name colors that the palette does not have; they are black');
    return { ...rows.image, warnings };
  } finally {
    rows.release();
  }
}

function refusePixels(layout: PngLayout, file: string, got: string): never {
  const expected = `expected ${inflatedBytes(layout)} bytes of pixels after inflating`;
  refuse(file, layout.pixels.start, `IDAT: ${expected}, got ${got}`);
}

/** By the platform. @returns whether the bytes were a sound stream of all pixels, and nothing more */
async function isInflatedHere(compressed: Uint8Array<ArrayBuffer>, rows: PngRows): Promise<boolean> {
  const { inflateInPieces } = env.platform;
  if (inflateInPieces === undefined) return false;
  try {
    for await (const piece of inflateInPieces(compressed)) if (!rows.push(piece)) return false;
    return rows.done;
  } catch (error) {
    if (error instanceof MobileNetError) throw error; // of the rows
    // The stream has thrown away what it had. What is there is found by our own inflater, and what is wrong.
    return false;
  }
}

/** By our own inflater, from the start. @returns what is wrong although all pixels are there @throws IMAGE if they are not */
function inflateByHand(compressed: Uint8Array, rows: PngRows, layout: PngLayout, file: string): string[] {
  const expected = inflatedBytes(layout);
  if (expected > BY_HAND_OF_LIMIT * mostPixels()) {
    refuseWork(file, layout.pixels.start, `IDAT is damaged or goes on, and to mend it takes ${expected} bytes`);
  }
  let sum = adler32(new Uint8Array());
  let inflated: Inflated;
  rows.restart();
  try {
    inflated = inflateTo(compressed, expected, (piece) => {
      sum = adler32(piece, sum);
      rows.push(piece);
    });
  } catch (cause) {
    if (cause instanceof MobileNetError) throw cause;
    refusePixels(layout, file, `damaged data: ${(cause as Error).message}`);
  }
  const { length, state, adler, surplus } = inflated;
  if (length < expected) refusePixels(layout, file, `${length} (truncated PNG)`);
  if (adler !== undefined && adler !== sum) refusePixels(layout, file, 'others, by their checksum (damaged PNG)');
  if (state === 'full') return ['IDAT holds more than the pixels'];
  if (adler === undefined) return ['the checksum of the pixels is missing'];
  return surplus > 0 ? ['IDAT holds more than the compressed pixels'] : [];
}

/** PNG's colour types by the number of channels. */
const COLOUR_TYPES = { 1: 0, 3: 2, 4: 6 } as const;

/** Encodes a grey, RGB or RGBA picture, 8 bits a sample. @throws MobileNetError ARG for pixels that are not valid */
export async function encodePng(image: DecodedImage): Promise<Uint8Array> {
  checkPixels(image);
  const { data, width, height, channels } = image;
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
  const header = { width, height, depth: 8, colourType: COLOUR_TYPES[channels], interlaced: false };
  return pngFile(header, pngChunk('IDAT', join(deflated)));
}
