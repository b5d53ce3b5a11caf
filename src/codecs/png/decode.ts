/**
 * PNG by our own code. It is used where there is neither a browser's decoder nor Node's zlib, and where those would change
 * pixels: a browser blackens what lies under transparency, and pngjs shows faults as if they were pixels. The platform
 * inflates and deflates (`CompressionStream` and its sister, which check the Adler-32), rows are filtered here. Sections are
 * those of the PNG specification, third edition (www.w3.org/TR/png-3); what `readPng` has checked is not checked again.
 */
import { join, transformed } from '../../base/bytes.js';
import type { DecodedImage } from '../../base/pixels.js';
import { checkPixels } from '../../base/pixels.js';
import { refuse } from '../header.js';
import { adler32, type Inflated, inflateInto } from '../inflate.js';
import {
  compressedData,
  inflatedBytes,
  isGreyPng,
  type PngLayout,
  type PngPass,
  paletteColours,
  pngChunk,
  pngFile,
  pngPasses,
  readPng,
  SAMPLES,
} from './header.js';

/**
 * Decodes a PNG to grey [H,W,1] or RGB [H,W,3]; alpha is dropped, 16-bit samples keep their upper byte.
 * @throws MobileNetError with `file`: IMAGE, LIMIT, UNSUPPORTED as `readPng`, and IMAGE for damaged pixels
 */
export async function decodePng(
  bytes: Uint8Array,
  file: string,
  { lowerBytes = false }: { lowerBytes?: boolean } = {},
): Promise<DecodedImage> {
  const layout = readPng(bytes, file);
  const warnings: string[] = [];
  const data = await inflate(bytes, layout, file, warnings);
  const { width, height } = layout;
  const channels = isGreyPng(layout) ? 1 : 3;
  const image = { data: new Uint8Array(width * height * channels), width, height, channels, warnings } as const;
  const place = layout.colourType === 3 ? placeIndices(image, layout, bytes) : placeSamples(image, layout, lowerBytes);
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
async function inflate(
  bytes: Uint8Array,
  layout: PngLayout,
  file: string,
  warnings: string[],
): Promise<Uint8Array<ArrayBuffer>> {
  const compressed = compressedData(bytes, layout);
  const out = new Uint8Array(inflatedBytes(layout));
  let length = 0;
  try {
    for await (const chunk of transformed(compressed, new DecompressionStream('deflate'))) {
      if (length + chunk.length > out.length) throw new RangeError('more than the pixels');
      out.set(chunk, length);
      length += chunk.length;
    }
    // Some platforms stop at the end of the stream, whatever follows its checksum.
    if (length === out.length && lastUint32(compressed) === adler32(out)) return out;
  } catch {
    // The stream has thrown away what it had. What is there is found by our own inflater, and what is wrong.
  }
  const fail = (got: string): never =>
    refuse(file, layout.pixels.start, `IDAT: expected ${out.length} bytes of pixels after inflating, got ${got}`);
  const { length: found, state, adler } = inflateOrRefuse(compressed, out, fail);
  if (found < out.length) return fail(`${found} (truncated PNG)`);
  if (adler !== undefined && adler !== adler32(out)) return fail('others, by their checksum (damaged PNG)');
  if (state === 'full') warnings.push('IDAT holds more than the pixels');
  else if (adler === undefined) warnings.push('the checksum of the pixels is missing');
  else warnings.push('IDAT holds more than the compressed pixels');
  return out;
}

const lastUint32 = ({ buffer, length }: Uint8Array): number => new DataView(buffer).getUint32(length - 4);

function inflateOrRefuse(compressed: Uint8Array, out: Uint8Array, fail: (got: string) => never): Inflated {
  try {
    return inflateInto(compressed, out);
  } catch (cause) {
    return fail(`damaged data: ${(cause as Error).message}`);
  }
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

/** Grey and RGB. Alpha comes after the colors, the lower byte of 16 bits after the upper one. */
function placeSamples({ data, channels }: DecodedImage, { depth, colourType }: PngLayout, lowerBytes: boolean): Place {
  if (depth < 8) {
    const scale = 255 / (2 ** depth - 1); // section 13.12: 1, 2 and 4 bits are spread over 0 to 255
    return (row, { columns, stepX }, to) => {
      for (let x = 0; x < columns; x++) data[to + x * stepX] = packed(row, x, depth) * scale;
    };
  }
  const sample = depth >> 3;
  const pixel = sample * SAMPLES[colourType];
  const first = lowerBytes && depth === 16 ? 1 : 0;
  return (row, { columns, stepX }, to) => {
    for (let x = 0; x < columns; x++) {
      const at = (to + x * stepX) * channels;
      for (let c = 0; c < channels; c++) data[at + c] = row[x * pixel + c * sample + first];
    }
  };
}

/** Palette colors. An index that has none is black, as Pillow makes it. */
function placeIndices(
  { data, warnings }: DecodedImage & { warnings: string[] },
  layout: PngLayout,
  bytes: Uint8Array,
): Place {
  const start = layout.palette!.start + 8;
  const colours = paletteColours(layout);
  const palette = bytes.subarray(start, start + colours * 3);
  return (row, { columns, stepX }, to) => {
    for (let x = 0; x < columns; x++) {
      const index = packed(row, x, layout.depth);
      if (index < colours) data.set(palette.subarray(index * 3, index * 3 + 3), (to + x * stepX) * 3);
      else if (warnings.at(-1) !== NO_COLOUR) warnings.push(NO_COLOUR);
    }
  };
}
const NO_COLOUR = 'pixels name colors that the palette does not have; they are black';

/** Section 7.2: of samples smaller than a byte the first stands in the highest bits. */
function packed(row: Uint8Array, x: number, depth: number): number {
  const bit = x * depth;
  return (row[bit >> 3] >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
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
