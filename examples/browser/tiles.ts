/** A layer's activations as a sheet of small pictures, one a channel. */
import type { Tensor } from 'mobilenet-v2';
import type { Tiles } from './protocol.js';

/** Longest edge of a tile's map, in values; larger maps are averaged down to it. */
const MOST_EDGE = 56;
/** Edge of a tile on the sheet, in pixels: small maps are enlarged to it. */
const TILE = 56;
const GAP = 2;

export async function tilesOf(activations: Tensor<'float32'>): Promise<Tiles> {
  const [, channels, height = 1, width = 1] = activations.dims;
  const { data } = activations;
  let [least, most, zeros] = [Infinity, -Infinity, 0];
  for (const value of data) {
    least = Math.min(least, value);
    most = Math.max(most, value);
    if (value === 0) zeros++;
  }
  const step = Math.ceil(Math.max(height, width) / MOST_EDGE);
  const [rows, columns] = [Math.ceil(height / step), Math.ceil(width / step)];
  // Many channels, or maps of a single value: smaller tiles.
  const edge = channels > 400 ? TILE / 4 : channels > 200 ? TILE / 2 : TILE;
  const scale = Math.max(1, Math.floor(edge / Math.max(rows, columns)));
  const [tileHeight, tileWidth] = [rows * scale + GAP, columns * scale + GAP];
  const across = Math.max(1, Math.round(Math.sqrt((channels * tileHeight * 2) / tileWidth)));
  const sheet = new ImageData(across * tileWidth - GAP, Math.ceil(channels / across) * tileHeight - GAP);
  // What few values exceed would make all others dark.
  const bright = quantile(data, 0.995) || Math.max(Math.abs(least), Math.abs(most)) || 1;
  for (let c = 0; c < channels; c++) {
    const top = Math.floor(c / across) * tileHeight;
    const left = (c % across) * tileWidth;
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const value = mean(data, c * height * width, height, width, y * step, x * step, step) / bright;
        for (let sy = 0; sy < scale; sy++) {
          for (let sx = 0; sx < scale; sx++) {
            paint(sheet, ((top + y * scale + sy) * sheet.width + left + x * scale + sx) * 4, value);
          }
        }
      }
    }
  }
  const bitmap = await createImageBitmap(sheet);
  return { bitmap, channels, height, width, least, most, zeros: zeros / data.length };
}

function mean(data: Float32Array, from: number, height: number, width: number, y0: number, x0: number, step: number) {
  let [sum, count] = [0, 0];
  for (let y = y0; y < Math.min(height, y0 + step); y++) {
    for (let x = x0; x < Math.min(width, x0 + step); x++, count++) sum += data[from + y * width + x];
  }
  return sum / count;
}

/** Of the magnitudes, from a sample of them. */
function quantile(data: Float32Array, share: number): number {
  const stride = Math.max(1, Math.floor(data.length / 4000));
  const sample: number[] = [];
  for (let i = 0; i < data.length; i += stride) sample.push(Math.abs(data[i]));
  return sample.sort((a, b) => a - b)[Math.floor(share * (sample.length - 1))];
}

/** Nothing is dark; what is above 0 goes through orange to white, what is below through blue. */
function paint({ data }: ImageData, at: number, value: number): void {
  const size = Math.min(1, Math.abs(value));
  const strong = 255 * Math.min(1, 1.6 * size);
  const middle = 255 * size ** 1.2;
  const weak = 255 * Math.max(0, 1.8 * size - 0.8);
  data[at] = 22 + (233 / 255) * (value >= 0 ? strong : weak);
  data[at + 1] = 24 + (231 / 255) * middle;
  data[at + 2] = 30 + (225 / 255) * (value >= 0 ? weak : strong);
  data[at + 3] = 255;
}
