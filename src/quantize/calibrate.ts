/** Runs the float network over pictures and looks at every value. */
import { yieldToEvents } from '../base/abort.js';
import { MobileNetError } from '../base/errors.js';
import { INPUT } from '../graph/nodes.js';
import type { Tensor } from '../tensor/tensor.js';
import { OBSERVERS, type Observer, type ObserverName } from './observers.js';

/** What the float network computes: one of the package's models. */
export interface FloatNetwork {
  activations(
    pixel_values: Tensor,
    names: readonly string[],
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Map<string, Tensor<'float32'>>>;
}

/** What was seen of one value. */
export interface Seen {
  observer: Observer;
  /** The sum of each channel over all pixels of all pictures, and how many pixels there were. */
  sums: Float64Array;
  pixels: number;
}

/** What is seen of all values. */
export class Calibration {
  readonly values = new Map<string, Seen>();
  pictures = 0;
  readonly #names: readonly string[];
  readonly #observer: ObserverName;

  constructor(names: readonly string[], observer: ObserverName) {
    this.#names = names;
    this.#observer = observer;
  }

  /**
   * @param pixel_values [N,C,H,W]
   * @returns what the network made of them, by the names of nodes
   */
  async look(model: FloatNetwork, pixel_values: Tensor<'float32'>, signal?: AbortSignal) {
    const results = await model.activations(pixel_values, this.#names, { signal });
    this.#see(INPUT, pixel_values);
    for (const [name, tensor] of results) {
      const pause = signal && yieldToEvents(signal); // an observer may take long
      if (pause !== undefined) await pause;
      this.#see(name, tensor);
    }
    this.pictures += pixel_values.dims[0];
    return results;
  }

  /** The mean of each channel. */
  means(name: string): Float64Array {
    const { sums, pixels } = this.values.get(name)!;
    return sums.map((sum) => sum / pixels);
  }

  /** @param tensor [N,C,h,w], or [N,C] */
  #see(name: string, { data, dims }: Tensor<'float32'>): void {
    const [batch, channels, height = 1, width = 1] = dims;
    let seen = this.values.get(name);
    if (seen === undefined) {
      seen = { observer: OBSERVERS[this.#observer](), sums: new Float64Array(channels), pixels: 0 };
      this.values.set(name, seen);
    }
    const size = height * width;
    for (let n = 0; n < batch; n++)
      seen.observer.observe(data.subarray(n * channels * size, (n + 1) * channels * size));
    for (let plane = 0; plane < batch * channels; plane++) {
      let sum = 0;
      for (let i = plane * size; i < (plane + 1) * size; i++) sum += data[i];
      if (!Number.isFinite(sum)) throw notFinite(name);
      seen.sums[plane % channels] += sum;
    }
    seen.pixels += batch * size;
  }
}

const notFinite = (name: string) =>
  new MobileNetError(
    'NONFINITE',
    `${name}: the float network makes numbers that are not finite; are its weights whole?`,
  );
