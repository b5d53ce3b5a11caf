/** A layer's strongest channels as a sheet of small pictures, in the worker. */
import type { Tensor } from 'mobilenet-v2';
import { pictureOf } from './paint.js';

/** Most channels on a sheet. */
const MOST = 48;
/** Edge of a channel's picture on the sheet, in pixels. */
export const TILE = 56;

export interface Sheet {
  image: OffscreenCanvas;
  /** Numbers of the channels, the strongest first. */
  channels: number[];
  /** The value that is as bright as can be, for all channels. */
  bright: number;
}

/**
 * How much there is to see in a channel: the covariance of neighbors. It is large where values differ much and neighbors are
 * alike, and about 0 for noise. For single values: how large they are.
 */
export function strengths({ data, dims }: Tensor<'float32'>): Float64Array {
  const [, channels, height = 1, width = 1] = dims;
  const count = height * width;
  return Float64Array.from({ length: channels }, (_, c) => {
    const own = data.subarray(c * count, (c + 1) * count);
    if (count === 1) return Math.abs(own[0]);
    const mean = own.reduce((sum, value) => sum + value, 0) / count;
    let sum = 0;
    for (let at = 0; at < count - width; at++) {
      const next = own[at % width === width - 1 ? at : at + 1];
      sum += (own[at] - mean) * (next + own[at + width] - 2 * mean);
    }
    return sum / count;
  });
}

/** What few magnitudes exceed, from a sample: the largest would make all others dark. */
export function brightOf(data: Float32Array): number {
  const stride = Math.max(1, Math.floor(data.length / 4000));
  const sample: number[] = [];
  for (let i = 0; i < data.length; i += stride) sample.push(Math.abs(data[i]));
  sample.sort((a, b) => a - b);
  return sample[Math.floor(0.995 * (sample.length - 1))] || sample[sample.length - 1] || 1;
}

/** A channel's map, as a part of a larger picture. */
export function drawMap(
  context: OffscreenCanvasRenderingContext2D,
  { data, dims }: Pick<Tensor<'float32'>, 'data' | 'dims'>,
  channel: number,
  bright: number,
  [x, y, edge]: readonly [x: number, y: number, edge: number],
): void {
  // Single values of many channels are shown together, as a square.
  const side = Math.ceil(Math.sqrt(dims[1]));
  const [, , height = side, width = side] = dims;
  const map = new Float32Array(height * width);
  map.set(dims.length === 2 ? data : data.subarray(channel * map.length, (channel + 1) * map.length));
  const own = new OffscreenCanvas(width, height);
  own.getContext('2d')!.putImageData(pictureOf(map, width, bright), 0, 0);
  const scale = edge / Math.max(height, width);
  context.imageSmoothingEnabled = scale < 1; // values that are enlarged stay squares
  context.drawImage(own, x, y, width * scale, height * scale);
}

/** @param across tiles side by side */
export function sheetOf(activations: Tensor<'float32'>, across: number): Sheet {
  const strength = strengths(activations);
  const channels = [...strength.keys()].sort((a, b) => strength[b] - strength[a]).slice(0, MOST);
  const bright = brightOf(activations.data);
  const image = new OffscreenCanvas(across * TILE, Math.ceil(channels.length / across) * TILE);
  const context = image.getContext('2d')!;
  // Each tile has its own value, also where a channel has but one.
  const { data, dims } = activations;
  const maps = { data, dims: dims.length === 2 ? [...dims, 1, 1] : dims };
  for (const [n, channel] of channels.entries()) {
    const place = [(n % across) * TILE + 1, Math.floor(n / across) * TILE + 1, TILE - 2] as const;
    drawMap(context, maps, channel, bright, place);
  }
  return { image, channels, bright };
}
