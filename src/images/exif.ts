/**
 * Which way up a picture is. Cameras store the sensor's rows and note how they were held: EXIF tag 0x0112 in the first
 * directory of a TIFF structure (EXIF 2.32, section 4.6.4; TIFF 6.0, section 2). XMP is not read.
 */
import type { DecodedImage, RowSink, RowsAhead } from '../base/pixels.js';

/**
 * As EXIF numbers them: 1 upright, 2 mirrored, 3 upside down, 4 upside down and mirrored, 5 transposed, 6 to be turned
 * clockwise, 7 transposed upside down, 8 to be turned counterclockwise.
 */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const ORIENTATION_TAG = 0x0112;
const SHORT = 3;
const LONG = 4;
const ENTRY_BYTES = 12;

/** The orientation in an EXIF block, which starts with its TIFF header. 1 where it is damaged or absent: the picture can be read all the same. */
export function exifOrientation(tiff: Uint8Array): Orientation {
  if (tiff.length < 8) return 1;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const order = view.getUint16(0);
  const little = order === 0x4949; // 'II', else 'MM'
  if ((!little && order !== 0x4d4d) || view.getUint16(2, little) !== 42) return 1;
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return 1;
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const at = directory + 2 + i * ENTRY_BYTES;
    if (at + ENTRY_BYTES > tiff.length) return 1;
    if (view.getUint16(at, little) !== ORIENTATION_TAG) continue;
    const type = view.getUint16(at + 2, little);
    if ((type !== SHORT && type !== LONG) || view.getUint32(at + 4, little) !== 1) return 1;
    const value = type === SHORT ? view.getUint16(at + 8, little) : view.getUint32(at + 8, little);
    return value >= 1 && value <= 8 ? (value as Orientation) : 1;
  }
  return 1;
}

/** Pixels across and down that are turned at once: what is read in rows and written in columns then stays in the cache. */
const TILE = 32;
/** And down a thin picture. */
const COLUMN = 4096;

/**
 * A picture that grows upright, as PIL's `ImageOps.exif_transpose` makes it, from rows as they are stored: from a corner,
 * along columns or rows, forwards or backwards.
 */
export class Upright implements RowSink {
  readonly image: DecodedImage & { readonly data: Uint8Array };
  /** Pixels of a stored row, and channels. */
  readonly #width: number;
  readonly #channels: number;
  /** Where the first stored pixel goes, and how far from it the next one is and the one below, in numbers. */
  readonly #corner: number;
  readonly #stepX: number;
  readonly #stepY: number;

  constructor({ width, height, channels }: RowsAhead, orientation: Orientation) {
    const transposed = orientation >= 5;
    const fromRight = orientation === 2 || orientation === 3 || orientation === 7 || orientation === 8;
    const fromBottom = orientation === 3 || orientation === 4 || orientation === 6 || orientation === 7;
    const data = new Uint8Array(width * height * channels);
    this.image = transposed ? { data, width: height, height: width, channels } : { data, width, height, channels };
    const [across, down] = transposed ? [height, 1] : [1, width];
    this.#width = width;
    this.#channels = channels;
    this.#corner = ((fromRight ? width - 1 : 0) * across + (fromBottom ? height - 1 : 0) * down) * channels;
    this.#stepX = (fromRight ? -across : across) * channels;
    this.#stepY = (fromBottom ? -down : down) * channels;
  }

  rows(rows: DecodedImage['data'], first: number, count: number): void {
    const { data } = this.image;
    const channels = this.#channels;
    const stride = this.#width * channels;
    const start = this.#corner + first * this.#stepY;
    // Of a thin picture by columns: a row of it is too short for a loop.
    for (let top = 0; top < count && this.#width < TILE; top += COLUMN) {
      const pixels = Math.min(COLUMN, count - top);
      for (let x = 0; x < this.#width; x++) {
        const to = start + top * this.#stepY + x * this.#stepX;
        copyPixels(rows, top * stride + x * channels, stride, pixels, data, to, this.#stepY, channels);
      }
    }
    for (let top = 0; top < count && this.#width >= TILE; top += TILE) {
      for (let left = 0; left < this.#width; left += TILE) {
        const pixels = Math.min(TILE, this.#width - left);
        for (let y = top; y < Math.min(top + TILE, count); y++) {
          const to = start + y * this.#stepY + left * this.#stepX;
          copyPixels(rows, y * stride + left * channels, channels, pixels, data, to, this.#stepX, channels);
        }
      }
    }
  }
}

/** A function of its own, called often: one long loop would run in code that is not yet optimized. */
function copyPixels(
  rows: DecodedImage['data'],
  first: number,
  step: number,
  count: number,
  out: Uint8Array,
  start: number,
  stepOut: number,
  channels: number,
): void {
  for (let i = 0, from = first, to = start; i < count; i++, from += step, to += stepOut) {
    out[to] = rows[from];
    if (channels === 1) continue;
    out[to + 1] = rows[from + 1];
    out[to + 2] = rows[from + 2];
    if (channels === 4) out[to + 3] = rows[from + 3];
  }
}

/** The picture upright; itself where it already is. */
export function applyOrientation(image: DecodedImage, orientation: Orientation): DecodedImage {
  if (orientation === 1) return image;
  const upright = new Upright(image, orientation);
  upright.rows(image.data, 0, image.height);
  return upright.image;
}
