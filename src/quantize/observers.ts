/** How the range of a value follows from what was seen of it. docs/quantization.md has what each of them is worth, measured. */
import type { Levels } from './dtypes.js';
import { Histogram } from './histogram.js';

/** Between which numbers a value lies. */
export interface Range {
  low: number;
  high: number;
}

/** Looks at a value, one picture at a time. */
export interface Observer {
  observe(values: Float32Array): void;
  /** The range that the numbers of `levels` shall stand for. */
  range(levels: Levels): Range;
}

/** How the range of a value is found. */
export type ObserverName = 'minmax' | 'average' | 'percentile' | 'mse';

export const OBSERVERS: Readonly<Record<ObserverName, () => Observer>> = {
  minmax: () => new MinMax(),
  average: () => new AverageMinMax(),
  percentile: () => new Percentile(),
  mse: () => new LeastError(),
};

function extremes(values: Float32Array): Range {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

/** The least and the greatest of all pictures: nothing that was seen is cut off. */
class MinMax implements Observer {
  #low = Number.POSITIVE_INFINITY;
  #high = Number.NEGATIVE_INFINITY;

  observe(values: Float32Array): void {
    const { low, high } = extremes(values);
    this.#low = Math.min(this.#low, low);
    this.#high = Math.max(this.#high, high);
  }

  range(): Range {
    return { low: this.#low, high: this.#high };
  }
}

/** The mean of the least and of the greatest of each picture: one strange picture does not widen the range for all. */
class AverageMinMax implements Observer {
  #low = 0;
  #high = 0;
  #pictures = 0;

  observe(values: Float32Array): void {
    const { low, high } = extremes(values);
    this.#low += low;
    this.#high += high;
    this.#pictures++;
  }

  range(): Range {
    return { low: this.#low / this.#pictures, high: this.#high / this.#pictures };
  }
}

/** Of 100,000 numbers so many may lie below the range, and as many above it. */
const OUTSIDE = 1e-5;

/** All but the outermost numbers. */
class Percentile implements Observer {
  readonly #histogram = new Histogram();

  observe(values: Float32Array): void {
    this.#histogram.add(values);
  }

  range(): Range {
    const { counts, width } = this.#histogram;
    const allowed = this.#histogram.total * OUTSIDE;
    const first = firstBeyond(counts, allowed);
    const last = counts.length - 1 - firstBeyond(counts.slice().reverse(), allowed);
    const middle = (bin: number) => this.#histogram.middle(bin);
    return { low: middle(first) - width / 2, high: middle(last) + width / 2 };
  }
}

/** The first bin up to which there are more than so many. */
function firstBeyond(counts: Float64Array, allowed: number): number {
  let sum = 0;
  return Math.max(
    0,
    counts.findIndex((count) => {
      sum += count;
      return sum > allowed;
    }),
  );
}

/** Ranges are tried from all that was seen down to this part of it. */
const LEAST_PART = 0.3;
const TRIES = 71;

/** The range with the least mean squared error of rounding and of cutting off, both ends drawn in alike. */
class LeastError implements Observer {
  readonly #seen = new MinMax();
  readonly #histogram = new Histogram();

  observe(values: Float32Array): void {
    this.#seen.observe(values);
    this.#histogram.add(values);
  }

  range({ min, max }: Levels): Range {
    const { low, high } = this.#seen.range();
    let best = { low, high };
    let least = Number.POSITIVE_INFINITY;
    for (let n = 0; n < TRIES; n++) {
      const part = 1 - ((1 - LEAST_PART) * n) / (TRIES - 1);
      const range = { low: low * part, high: high * part };
      const error = this.#error(range, max - min);
      if (error < least) [best, least] = [range, error];
    }
    return best;
  }

  /** Summed squared error: a step's is uniform within ± half of it, hence its square over 12. */
  #error({ low, high }: Range, steps: number): number {
    const [from, to] = [Math.min(low, 0), Math.max(high, 0)];
    const rounding = ((to - from) / steps) ** 2 / 12;
    const { counts } = this.#histogram;
    let error = 0;
    for (let bin = 0; bin < counts.length; bin++) {
      if (counts[bin] === 0) continue;
      const x = this.#histogram.middle(bin);
      const beyond = x < from ? from - x : Math.max(x - to, 0);
      error += counts[bin] * (beyond > 0 ? beyond * beyond : rounding);
    }
    return error;
  }
}
