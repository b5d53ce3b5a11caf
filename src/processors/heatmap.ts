/**
 * A map of numbers as colours over a picture: from the network's coarse grid back to the picture's pixels, through
 * everything the image processor did, so that what lies under a colour is what the number is about.
 */
import { MobileNetError, show } from '../base/errors.js';
import { RawImage } from '../images/raw-image.js';
import type { Tensor } from '../tensor/tensor.js';
import { linearTaps, type Taps } from './bilinear.js';
import type { Geometry } from './geometry.js';

/** Along one axis: the middle of what value `i` of the map sees is `start + i · stride`, in pixels of the network's input. */
export interface Grid {
  stride: number;
  start: number;
}

/** [red, green, blue] from little to much, evenly spaced: the upper part of Matplotlib's "inferno". */
const RAMP = [
  [87, 16, 110],
  [136, 34, 106],
  [188, 55, 84],
  [227, 89, 51],
  [249, 142, 9],
  [249, 201, 50],
  [252, 255, 164],
] as const;
/** Alpha of the largest value; the picture shows through. */
const MOST_ALPHA = 215;

/**
 * @param map [h,w]; only what is above 0 is coloured, the largest value most
 * @param grid where the map's values lie in the network's input
 * @param geometry where the picture lies in it
 * @param size of the picture
 * @returns RGBA at the picture's size; transparent where the map says nothing, and where the network does not look
 */
export function heatmap(
  map: Tensor<'float32'>,
  grid: { height: Grid; width: Grid },
  { resized, window, at }: Geometry,
  size: { height: number; width: number },
): RawImage {
  const [h, w] = map.dims;
  const rows = linearTaps(positions(size.height, resized.height, window.top, window.height, at.top, grid.height, h), h);
  const columns = linearTaps(
    positions(size.width, resized.width, window.left, window.width, at.left, grid.width, w),
    w,
  );
  const largest = map.data.reduce((most, value) => Math.max(most, value), 0);
  const out = new Uint8Array(size.height * size.width * 4);
  if (largest > 0) {
    for (let y = 0, to = 0; y < size.height; y++) {
      for (let x = 0; x < size.width; x++, to += 4) {
        const share = sample(map.data, w, rows, y, columns, x) / largest;
        if (share > 0) paint(out, to, share); // not for NaN: out of the network's sight
      }
    }
  }
  return new RawImage(out, size.width, size.height, 4);
}

/** Where in the map, counted from the middle of its first value, each pixel of the picture lies; NaN outside of it. */
function positions(
  length: number,
  resized: number,
  from: number,
  kept: number,
  to: number,
  { stride, start }: Grid,
  count: number,
): Float64Array {
  return new Float64Array(length).map((_, pixel) => {
    const inside = ((pixel + 0.5) * resized) / length - from;
    if (inside < 0 || inside > kept) return Number.NaN;
    return Math.min(count - 1, Math.max(0, (inside + to - 0.5 - start) / stride));
  });
}

/** Between the four values around a place. */
function sample(map: Float32Array, width: number, rows: Taps, y: number, columns: Taps, x: number): number {
  const { first: left, second: right, weight } = columns;
  const along = (row: number) => map[row * width + left[x]] * (1 - weight[x]) + map[row * width + right[x]] * weight[x];
  return along(rows.first[y]) * (1 - rows.weight[y]) + along(rows.second[y]) * rows.weight[y];
}

function paint(out: Uint8Array, to: number, share: number): void {
  const position = Math.min(1, share) * (RAMP.length - 1);
  const index = Math.min(Math.floor(position), RAMP.length - 2);
  const rest = position - index;
  for (let c = 0; c < 3; c++) out[to + c] = Math.round(RAMP[index][c] * (1 - rest) + RAMP[index + 1][c] * rest);
  out[to + 3] = Math.round(MOST_ALPHA * Math.min(1, share) ** 0.7);
}

/** A picture with another of its size laid over it. @returns RGB @throws MobileNetError ARG for another size */
export function layOver(picture: RawImage, cover: RawImage): RawImage {
  if (!(picture instanceof RawImage) || picture.width !== cover.width || picture.height !== cover.height) {
    const got = picture instanceof RawImage ? `${picture.width}×${picture.height}` : show(picture);
    throw new MobileNetError(
      'ARG',
      `overlay: expected a RawImage of ${cover.width}×${cover.height} pixels, got ${got}`,
    );
  }
  const { width, height } = picture;
  const out = new Uint8Array(picture.rgb().data);
  const { data } = cover.rgba();
  for (let to = 0, from = 0; to < out.length; to += 3, from += 4) {
    const alpha = data[from + 3] / 255;
    for (let c = 0; c < 3; c++) out[to + c] = Math.round(out[to + c] + (data[from + c] - out[to + c]) * alpha);
  }
  return new RawImage(out, width, height, 3);
}
