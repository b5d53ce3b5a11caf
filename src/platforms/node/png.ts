/** PNG files written in Node: by pngjs, and pictures with a palette, which it cannot write. */
import { deflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import { MobileNetError, show } from '../../base/errors.js';
import type { DecodedImage, Pixels } from '../../base/pixels.js';
import { checkPixels } from '../../base/pixels.js';
import { pngChunk, pngFile } from '../../codecs/png/header.js';

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
