/** How near a quantized network is to the float one, output by output and layer by layer. */
import type { Tensor } from '../tensor/tensor.js';

/** A layer and how far its values are off. */
export interface LayerError {
  name: string;
  /** The root of the mean squared difference, over the root of the mean square of the float values: 0.1 is a tenth. */
  error: number;
}

/** What came of it, on pictures that were used for calibration: expect a little less on others. */
export interface QuantizationReport {
  /** That the ranges are from. */
  pictures: number;
  /** On which both networks were run: as many as fit into memory. */
  compared: number;
  /** The share of pictures, or of pixels, for which both name the same class; null for a network without classes. */
  agreement: number | null;
  /** Of the last output, as of a layer, but over the deviation from the mean: 1 would be no better than no network. */
  error: number;
  /** All layers, the worst first. */
  layers: LayerError[];
}

type Values = ReadonlyMap<string, Tensor<'float32'>>;

/** Adds up differences, picture by picture. */
export class Comparison {
  compared = 0;
  readonly #sums = new Map<string, { difference: number; squares: number; sum: number; count: number }>();
  #same = 0;
  #answers = 0;
  readonly #output: string;
  readonly #hasClasses: boolean;

  /** @param output the node that makes the network's answer */
  constructor(output: string, hasClasses: boolean) {
    this.#output = output;
    this.#hasClasses = hasClasses;
  }

  add(float: Values, quantized: Values): void {
    for (const [name, wanted] of float) this.#compare(name, wanted.data, quantized.get(name)!.data);
    const answer = float.get(this.#output)!;
    this.compared += answer.dims[0];
    if (this.#hasClasses) this.#classes(answer, quantized.get(this.#output)!);
  }

  report(pictures: number): QuantizationReport {
    const layers = [...this.#sums].map(([name, { difference, squares }]) => ({
      name,
      error: ratio(difference, squares),
    }));
    const { difference, squares, sum, count } = this.#sums.get(this.#output)!;
    return {
      pictures,
      compared: this.compared,
      agreement: this.#hasClasses ? this.#same / this.#answers : null,
      error: ratio(difference, squares - (sum * sum) / count),
      layers: layers.sort((a, b) => b.error - a.error),
    };
  }

  #compare(name: string, wanted: Float32Array, got: Float32Array): void {
    const sums = this.#sums.get(name) ?? { difference: 0, squares: 0, sum: 0, count: 0 };
    this.#sums.set(name, sums);
    for (let i = 0; i < wanted.length; i++) {
      sums.difference += (got[i] - wanted[i]) ** 2;
      sums.squares += wanted[i] ** 2;
      sums.sum += wanted[i];
    }
    sums.count += wanted.length;
  }

  /** @param wanted, got [N,K] or [N,K,h,w] */
  #classes({ data: wanted, dims }: Tensor<'float32'>, { data: got }: Tensor<'float32'>): void {
    const [batch, classes, height = 1, width = 1] = dims;
    const size = height * width;
    for (let n = 0; n < batch; n++) {
      for (let i = 0; i < size; i++) {
        const at = n * classes * size + i;
        if (greatest(wanted, at, size, classes) === greatest(got, at, size, classes)) this.#same++;
      }
    }
    this.#answers += batch * size;
  }
}

const ratio = (difference: number, squares: number): number =>
  difference === 0 ? 0 : Math.sqrt(difference / Math.max(squares, Number.MIN_VALUE));

/** The index of the greatest of so many numbers, `step` apart; the first of equal ones. */
function greatest(values: Float32Array, at: number, step: number, count: number): number {
  let best = 0;
  for (let k = 1; k < count; k++) if (values[at + k * step] > values[at + best * step]) best = k;
  return best;
}
