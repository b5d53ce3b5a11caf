/**
 * Which way up a picture is. Cameras store the sensor's rows and note how they were held: EXIF tag 0x0112 in the first
 * directory of a TIFF structure (EXIF 2.32, section 4.6.4; TIFF 6.0, section 2). XMP is not read.
 */
import type { DecodedImage } from '../base/pixels.js';

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

/**
 * The picture upright, as PIL's `ImageOps.exif_transpose` makes it; itself where it already is. The new picture is read
 * through the old one with other strides: from a corner, along columns or rows, forwards or backwards.
 */
export function applyOrientation(image: DecodedImage, orientation: Orientation): DecodedImage {
  if (orientation === 1) return image;
  const { data, channels } = image;
  const transposed = orientation >= 5;
  const fromRight = orientation === 2 || orientation === 3 || orientation === 7 || orientation === 8;
  const fromBottom = orientation === 3 || orientation === 4 || orientation === 6 || orientation === 7;
  // A step to the right and a step down in the old picture, in the direction we read.
  const across = fromRight ? -channels : channels;
  const down = (fromBottom ? -image.width : image.width) * channels;
  const corner =
    (fromRight ? image.width - 1 : 0) * channels + (fromBottom ? image.height - 1 : 0) * image.width * channels;

  const width = transposed ? image.height : image.width;
  const height = transposed ? image.width : image.height;
  const [stepX, stepY] = transposed ? [down, across] : [across, down];
  const out = new Uint8Array(data.length);
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = corner + y * stepY;
    for (let x = 0; x < width; x++, from += stepX) {
      for (let c = 0; c < channels; c++) out[to++] = data[from + c];
    }
  }
  return { data: out, width, height, channels };
}
