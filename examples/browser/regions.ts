/**
 * Regions with soft edges: the logits are enlarged, not the classes, and a color is as strong as its class is likely.
 */
import { colorize, Tensor } from 'mobilenet-v2';

/** Alpha of a pixel that is certain. */
const STRONG = 176;
/** Of a class that is pointed away from. */
const FAINT = 26;
/** Classes that are nowhere more likely than this are left out. */
const SELDOM = 0.05;

export interface Likely {
  /** Classes that are somewhere likely, and for each its share of every pixel. */
  ids: number[];
  shares: Float32Array[];
  width: number;
  height: number;
}

/** @param logits [1,K,h,w] @param size of the result */
export function likelyClasses(logits: Tensor<'float32'>, size: { width: number; height: number }): Likely {
  const [, classes, h, w] = logits.dims;
  const coarse = logits.softmax(1).data;
  const places = h * w;
  const ids = Array.from({ length: classes }, (_, k) => k).filter((k) =>
    coarse.subarray(k * places, (k + 1) * places).some((share) => share > SELDOM),
  );
  const enlarged = ids.map((k) => bilinear(logits.data.subarray(k * places, (k + 1) * places), w, size));
  // Softmax of what was enlarged: an edge is then where two classes are equally likely, and as soft as they are unsure.
  for (let at = 0; at < size.width * size.height; at++) {
    let [most, sum] = [Number.NEGATIVE_INFINITY, 0];
    for (const map of enlarged) most = Math.max(most, map[at]);
    for (const map of enlarged) sum += map[at] = Math.exp(map[at] - most);
    for (const map of enlarged) map[at] /= sum;
  }
  return { ids, shares: enlarged, ...size };
}

/** A map of `columns` as PyTorch enlarges it (`align_corners=False`). */
function bilinear(map: Float32Array, columns: number, { width, height }: { width: number; height: number }) {
  const rows = map.length / columns;
  const out = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const down = Math.min(rows - 1, Math.max(0, ((y + 0.5) * rows) / height - 0.5));
    const [top, fy] = [Math.floor(down), down % 1];
    const bottom = Math.min(rows - 1, top + 1);
    for (let x = 0; x < width; x++) {
      const along = Math.min(columns - 1, Math.max(0, ((x + 0.5) * columns) / width - 0.5));
      const [left, fx] = [Math.floor(along), along % 1];
      const right = Math.min(columns - 1, left + 1);
      const above = map[top * columns + left] * (1 - fx) + map[top * columns + right] * fx;
      const below = map[bottom * columns + left] * (1 - fx) + map[bottom * columns + right] * fx;
      out[y * width + x] = above * (1 - fy) + below * fy;
    }
  }
  return out;
}

/** The likeliest class of every pixel. */
export function classesOf({ ids, shares, width, height }: Likely): Uint8Array<ArrayBuffer> {
  const classes = new Uint8Array(width * height);
  for (let at = 0; at < classes.length; at++) {
    let best = 0;
    for (let n = 1; n < ids.length; n++) if (shares[n][at] > shares[best][at]) best = n;
    classes[at] = ids[best];
  }
  return classes;
}

/**
 * Colors of classes as strong as these are likely; the background has none.
 * @param background its number, null where there is none
 * @param alone the one class that is pointed at
 */
export function paintRegions(likely: Likely, background: number | null, alone: number | null): ImageData {
  const { ids, shares, width, height } = likely;
  const image = new ImageData(width, height);
  const { data } = image;
  const colors = colorize(new Tensor('int32', Int32Array.from(ids), [1, ids.length])).data;
  for (let at = 0; at < width * height; at++) {
    let [red, green, blue, sum, alpha] = [0, 0, 0, 0, 0];
    for (let n = 0; n < ids.length; n++) {
      const id = ids[n];
      if (id === background) continue;
      const share = shares[n][at];
      red += share * colors[4 * n];
      green += share * colors[4 * n + 1];
      blue += share * colors[4 * n + 2];
      sum += share;
      alpha += share * (alone === null || alone === id ? STRONG : FAINT);
    }
    if (sum < 1e-3) continue;
    data[4 * at] = red / sum;
    data[4 * at + 1] = green / sum;
    data[4 * at + 2] = blue / sum;
    data[4 * at + 3] = alpha;
  }
  return image;
}
