/** PNG in Node: pngjs, after checks that it lacks, and a writer of palette pictures, which it cannot do. */
import { deflateSync, inflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import { MobileNetError, show } from '../../base/errors.js';
import type { DecodedImage, Pixels } from '../../base/pixels.js';
import { checkPixels } from '../../base/pixels.js';
import { codecError, keepChannels } from '../../codecs/codec.js';
import {
  compressedData,
  essentialPng,
  inflatedBytes,
  isGreyPng,
  type PngLayout,
  paletteColours,
  pngChunk,
  pngFile,
  readPng,
} from '../../codecs/png/header.js';

/**
 * Decodes a PNG to grey [H,W,1] or RGB [H,W,3]; alpha is dropped, 16-bit samples keep their upper byte.
 * @throws MobileNetError with `file`: IMAGE, LIMIT, UNSUPPORTED as `readPng`, and IMAGE for damaged pixels
 */
export async function decodePng(
  bytes: Uint8Array,
  file: string,
  options: { lowerBytes?: boolean } = {},
): Promise<DecodedImage> {
  const layout = readPng(bytes, file);
  // pngjs shows missing rows as black, ignores surplus ones, and throws for an index that the palette does not have.
  if (options.lowerBytes || mayLackColours(layout) || !isWhole(bytes, layout)) {
    return (await import('../../codecs/png/decode.js')).decodePng(bytes, file, options);
  }
  const { width, height, depth } = layout;
  const channels = isGreyPng(layout) ? 1 : 3;
  try {
    // `readPng` has checked the CRCs. pngjs would round 16 bits to 8 where PIL cuts them, so it is to leave them alone.
    const options = { checkCRC: false, skipRescale: depth === 16 };
    const { data } = PNG.sync.read(Buffer.from(essentialPng(bytes, layout).buffer), options);
    // pngjs makes RGBA of everything. The strided copy takes 10 ms for 2 megapixels, a loop by hand 6, pngjs itself 100.
    if (!mayCompileText()) return cutByHand({ data, width, height, channels: 4 }, channels, depth);
    const { hwcView, ops } = await import('../../tensor/ndarray.js');
    const rgba = hwcView({ data, width, height, channels: 4 }).hi(height, width, channels);
    const kept = { data: new Uint8Array(width * height * channels), width, height, channels } as const;
    if (depth === 16) ops.rshifts(hwcView(kept), rgba, 8);
    else ops.assign(hwcView(kept), rgba);
    return kept;
  } catch (cause) {
    throw codecError(cause, file);
  }
}

/**
 * Whether text may be compiled here, which ndarray-ops does while it is loaded. Trying to load it would not do: an
 * error in a CommonJS module below another module ends Node 20 also where it is caught.
 */
function mayCompileText(): boolean {
  try {
    new Function();
    return true;
  } catch {
    return false;
  }
}

function cutByHand(rgba: DecodedImage, channels: 1 | 3, depth: number): DecodedImage {
  const data = depth === 16 ? Uint8Array.from(rgba.data, (sample) => sample >> 8) : rgba.data;
  return keepChannels({ ...rgba, data }, channels);
}

function mayLackColours(layout: PngLayout): boolean {
  return layout.colourType === 3 && paletteColours(layout) < 2 ** layout.depth;
}

/**
 * Whether the data are exactly the pixels. They are inflated once without being kept: pngjs takes memory for the size in the
 * header whatever the data. zlib checks the Adler-32, so damage inside is found too.
 */
function isWhole(bytes: Uint8Array, layout: PngLayout): boolean {
  const expected = inflatedBytes(layout);
  const compressed = compressedData(bytes, layout);
  try {
    const { buffer, engine } = inflateSync(compressed, { maxOutputLength: expected, info: true }) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    return buffer.length === expected && engine.bytesWritten === compressed.length;
  } catch {
    return false;
  }
}

/** PNG's colour types by the number of channels. */
const COLOUR_TYPES = { 1: 0, 3: 2, 4: 6 } as const;

/** Encodes a grey, RGB or RGBA picture, 8 bits a sample. @throws MobileNetError ARG for pixels that are not valid */
export async function encodePng(image: DecodedImage): Promise<Uint8Array> {
  checkPixels(image);
  const { data, width, height, channels } = image;
  const colorType = COLOUR_TYPES[channels];
  const png = new PNG({ width, height });
  png.data = Buffer.from(data.buffer, data.byteOffset, data.length);
  return PNG.sync.write(png, { colorType, inputColorType: colorType, inputHasAlpha: channels === 4 });
}

/** A mask of classes, one channel of palette indices, and its colours. */
export interface PalettePicture extends Omit<Pixels, 'channels'> {
  /** Red, green and blue of each of 1 to 256 colours, [K,3]. */
  readonly palette: Uint8Array | Uint8ClampedArray;
}

/**
 * Encodes a picture of palette indices, 8 bits each: a segmentation mask whose values are classes and that has colours all
 * the same. Pillow opens it as mode P with the indices as they are.
 * @throws MobileNetError ARG for sizes that do not fit together, or an index without a colour
 */
export async function encodePalettePng({ data, width, height, palette }: PalettePicture): Promise<Uint8Array> {
  checkPixels({ data, width, height, channels: 1 } satisfies Pixels);
  const colours = palette.length / 3;
  if (!Number.isInteger(colours) || colours < 1 || colours > 256) {
    throw new MobileNetError('ARG', `palette: expected 3 bytes for each of 1 to 256 colours, got ${show(palette)}`);
  }
  const outside = data.findIndex((index) => index >= colours);
  if (outside >= 0) {
    throw new MobileNetError(
      'ARG',
      `data: expected indices below ${colours}, the palette's size, got ${data[outside]} at pixel ${outside}`,
    );
  }
  // Before every row a filter byte of 0, which means no filter: neighbouring classes are equal, which deflate finds without help.
  const rows = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = { width, height, depth: 8, colourType: 3, interlaced: false };
  return pngFile(header, pngChunk('PLTE', palette), pngChunk('IDAT', deflateSync(rows)));
}
