/**
 * The class-activation map (Zhou et al. 2016) as light over the picture. The map is coarse, 7 by 7 values; between them a
 * cubic B-spline is smooth where a bilinear one shows the grid as beams.
 */

/** A rectangle of the picture, as shares of its width and height. */
export interface Frame {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Along one axis: where the middle of the map's first value lies, and how far the next, in shares of the frame. */
export interface Axis {
  start: number;
  stride: number;
}

/** [red, green, blue, alpha] from little to much: what says nothing is dimmed, what says much glows. */
const STOPS: readonly (readonly [at: number, color: readonly [number, number, number, number]])[] = [
  [0, [12, 10, 34, 132]],
  [0.18, [42, 14, 82, 118]],
  [0.4, [150, 30, 96, 128]],
  [0.62, [232, 84, 42, 138]],
  [0.82, [255, 164, 30, 142]],
  [1, [255, 238, 150, 150]],
];
/** What the network does not see. */
const UNSEEN = [12, 10, 34, 132] as const;
/** Over this share of the frame its edge is softened. */
const FEATHER = 0.09;

interface Taps {
  /** Four values for each pixel. */
  at: Int32Array;
  weight: Float32Array;
  /** How much of the frame a pixel is in, 0 to 1. */
  inside: Float32Array;
}

/** The cubic B-spline along one axis of the picture. */
function taps(length: number, from: number, extent: number, { start, stride }: Axis, count: number): Taps {
  const own: Taps = {
    at: new Int32Array(4 * length),
    weight: new Float32Array(4 * length),
    inside: new Float32Array(length),
  };
  // Where the frame ends with the picture there is no edge to soften.
  const [softStart, softEnd] = [from > 1e-3, from + extent < 1 - 1e-3];
  for (let pixel = 0; pixel < length; pixel++) {
    const share = ((pixel + 0.5) / length - from) / extent;
    own.inside[pixel] = Math.min(softStart ? smooth(share / FEATHER) : 1, softEnd ? smooth((1 - share) / FEATHER) : 1);
    const position = Math.min(count - 1, Math.max(0, (share - start) / stride));
    const first = Math.floor(position);
    const f = position - first;
    const weights = [(1 - f) ** 3, 3 * f ** 3 - 6 * f ** 2 + 4, -3 * f ** 3 + 3 * f ** 2 + 3 * f + 1, f ** 3];
    for (let n = 0; n < 4; n++) {
      own.at[4 * pixel + n] = Math.min(count - 1, Math.max(0, first + n - 1));
      own.weight[4 * pixel + n] = weights[n] / 6;
    }
  }
  return own;
}

const smooth = (x: number): number => {
  const inside = Math.min(1, Math.max(0, x));
  return inside * inside * (3 - 2 * inside);
};

/** A map [h,w] at every pixel, and how much each pixel is in the frame. */
function enlarge(map: Float32Array, columns: number, across: Taps, down: Taps): Float32Array {
  const [width, height] = [across.inside.length, down.inside.length];
  const rows = map.length / columns;
  const wide = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let n = 4 * x; n < 4 * x + 4; n++) sum += across.weight[n] * map[row * columns + across.at[n]];
      wide[row * width + x] = sum;
    }
  }
  const out = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let n = 4 * y; n < 4 * y + 4; n++) {
      const [weight, from] = [down.weight[n], down.at[n] * width];
      for (let x = 0; x < width; x++) out[y * width + x] += weight * wide[from + x];
    }
  }
  return out;
}

/**
 * @param map [rows, columns] in units of the logit; only what is above 0 speaks for the class
 * @param frame the part of the picture that the network sees
 */
export function glow(
  map: Float32Array,
  columns: number,
  frame: Frame,
  axes: { across: Axis; down: Axis },
  size: { width: number; height: number },
): ImageData {
  const { width, height } = size;
  const across = taps(width, frame.left, frame.width, axes.across, columns);
  const down = taps(height, frame.top, frame.height, axes.down, map.length / columns);
  const values = enlarge(map, columns, across, down);
  let most = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (across.inside[x] * down.inside[y] > 0) most = Math.max(most, values[y * width + x]);
    }
  }
  const image = new ImageData(width, height);
  const table = colorTable();
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inside = across.inside[x] * down.inside[y];
      const share = most > 0 ? Math.min(1, Math.max(0, values[y * width + x] / most)) : 0;
      const from = 4 * Math.round(255 * share);
      const to = 4 * (y * width + x);
      for (let c = 0; c < 4; c++) image.data[to + c] = UNSEEN[c] + (table[from + c] - UNSEEN[c]) * inside;
    }
  }
  return image;
}

/** The colors of 256 shares. */
function colorTable(): Float32Array {
  const table = new Float32Array(4 * 256);
  for (let n = 0; n < 256; n++) {
    const share = n / 255;
    const next = Math.max(
      1,
      STOPS.findIndex(([at]) => at >= share),
    );
    const [[from, low], [to, high]] = [STOPS[next - 1], STOPS[next]];
    const rest = (share - from) / (to - from);
    for (let c = 0; c < 4; c++) table[4 * n + c] = low[c] + (high[c] - low[c]) * rest;
  }
  return table;
}
