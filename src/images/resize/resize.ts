/**
 * Pillow's `Image.resize` on 8-bit pictures, bit for bit: a separable filter, along rows and along columns, in 32-bit fixed
 * point with rounding to 8 bits after each pass. When shrinking, the filter is stretched over all source pixels an output
 * pixel stands for (antialiasing). Sources are named in the files of this folder.
 */
import { env } from '../../base/env.js';
import { MobileNetError, show } from '../../base/errors.js';
import type { Pixels } from '../../base/pixels.js';
import { checkPixels } from '../../base/pixels.js';
import { Resampling, type ResamplingName, type ResamplingNumber, resamplingNumber } from './filters.js';
import type { MakePasses } from './passes.js';
import { resizeRows, type Window } from './rows.js';

/**
 * Resizes a picture to `width`×`height` pixels.
 *
 * @param image 8-bit picture; with 4 channels the colors are weighted by alpha, as Pillow does for RGBA
 * @param resample filter by Pillow's number or name
 * @param window compute only this part of the result: the same bytes as cropping afterwards, without the rest
 * @param make what makes both passes; the fastest that may be had here when left out
 * @param box the part of the picture that is resized: Pillow's `resize(box=…)`, whose edges see the pixels around them
 * @returns a new picture of the window's size, or `width`×`height`
 * @throws MobileNetError ARG for impossible sizes, LIMIT when the result exceeds `env.limits.imagePixels`
 */
export function resize(
  image: Pixels,
  width: number,
  height: number,
  resample: ResamplingNumber | ResamplingName = Resampling.bilinear,
  window: Window = { left: 0, top: 0, width, height },
  make?: MakePasses,
  box?: Window,
): Pixels {
  checkPixels(image);
  checkTarget(width, height, window);
  if (box !== undefined) checkInside(box, image, 'box');
  const filter = resamplingNumber(resample);
  if (filter === undefined) {
    throw new MobileNetError(
      'ARG',
      `resample: expected 0 to 5 or one of ${Object.keys(Resampling).join(', ')}, got ${show(resample)}`,
    );
  }
  const { channels } = image;
  const rowBytes = window.width * channels;
  const data = new Uint8ClampedArray(window.height * rowBytes);
  const resizer = resizeRows(
    { source: image, width, height, filter, window, channels, box },
    (row, y) => data.set(row, y * rowBytes),
    make,
  );
  resizer.rows(image.data, 0, image.height);
  resizer.close();
  return { data, width: window.width, height: window.height, channels };
}

const whole = (size: number, least: number): boolean => Number.isSafeInteger(size) && size >= least;

function checkInside(part: Window, { width, height }: Pick<Pixels, 'width' | 'height'>, what: string): void {
  const { left, top } = part;
  const sizes = whole(left, 0) && whole(top, 0) && whole(part.width, 1) && whole(part.height, 1);
  if (sizes && left + part.width <= width && top + part.height <= height) return;
  throw new MobileNetError(
    'ARG',
    `resize: ${what} ${part.width}×${part.height} at (${left}, ${top}) is not inside ${width}×${height}`,
  );
}

function checkTarget(width: number, height: number, window: Window): void {
  if (!whole(width, 1) || !whole(height, 1)) {
    throw new MobileNetError('ARG', `resize: expected whole sizes ≥ 1, got ${show(width)}×${show(height)}`);
  }
  checkInside(window, { width, height }, 'window');
  if (window.width * window.height > env.limits.imagePixels) {
    throw new MobileNetError(
      'LIMIT',
      `resize: ${window.width}×${window.height} pixels exceed env.limits.imagePixels (${env.limits.imagePixels})`,
    );
  }
}
