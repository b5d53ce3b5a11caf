/**
 * How often which numbers were seen, for observers that must look at all of them twice. Bins are of one width around zero; a
 * number outside makes every bin twice as wide, so nothing has to be known before.
 */
const BINS = 4096;

export class Histogram {
  /** Bin i counts numbers from (i − BINS/2)·width up to the next. */
  readonly counts = new Float64Array(BINS);
  /** The width of a bin; 0 until a number other than 0 was seen. */
  width = 0;
  /** Zeros, before there was a width. */
  #zeros = 0;

  add(values: Float32Array): void {
    let most = 0;
    for (const value of values) most = Math.max(most, Math.abs(value));
    if (most === 0 && this.width === 0) {
      this.#zeros += values.length;
      return;
    }
    this.#reach(most);
    const { counts } = this;
    const perBin = 1 / this.width;
    for (const value of values) counts[Math.floor(value * perBin) + BINS / 2]++;
  }

  /** The number of values. */
  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, this.#zeros);
  }

  /** The middle of a bin. */
  middle(bin: number): number {
    return (bin - BINS / 2 + 0.5) * this.width;
  }

  /** Makes room for numbers up to `most`, the bins being powers of two wide. */
  #reach(most: number): void {
    const { counts } = this;
    const needed = 2 ** (Math.floor(Math.log2(most)) + 1) / (BINS / 2);
    if (this.width === 0) {
      this.width = needed;
      counts[BINS / 2] = this.#zeros;
      this.#zeros = 0;
    }
    while (this.width < needed) {
      const wider = new Float64Array(BINS);
      for (let bin = 0; bin < BINS; bin++) wider[(bin >> 1) + BINS / 4] += counts[bin];
      counts.set(wider);
      this.width *= 2;
    }
  }
}
