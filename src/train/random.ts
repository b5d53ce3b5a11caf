/**
 * Random numbers of training. Two kinds are wanted: a stream that goes on, whose state is written into a checkpoint so that a
 * run can go on where it was killed; and numbers of one picture in one epoch, which depend on nothing else, so that neither
 * the number of threads nor the order of pictures changes them.
 *
 * (The generator in models/mobilenet-v2/random.ts is the same, but draws 1,024 numbers at once, for weights by the million.)
 */

/** What a generator is in the middle of: four words of 32 bits. */
export type RandomState = readonly [number, number, number, number];

/** xoshiro128** (Blackman and Vigna, public domain). */
export class Random {
  readonly #words: Int32Array;

  constructor(state: RandomState) {
    this.#words = new Int32Array(state);
    if (this.#words.every((word) => word === 0)) this.#words[0] = 1; // the one state that it would never leave
  }

  /** The numbers that belong to these whole numbers: `at(seed)`, `at(seed, epoch, index)`. */
  static at(...key: readonly number[]): Random {
    // `this`: esbuild gives a class that names itself in its own body another name
    return new this([hash(key, 0), hash(key, 1), hash(key, 2), hash(key, 3)]);
  }

  /** To be written down; `new Random(state)` goes on from there. */
  get state(): RandomState {
    const [a, b, c, d] = this.#words;
    return [a! >>> 0, b! >>> 0, c! >>> 0, d! >>> 0];
  }

  /** 32 random bits, from 0 to 2³² − 1. */
  bits(): number {
    const words = this.#words;
    const [a, b, c, d] = words as unknown as [number, number, number, number];
    words[2] = c ^ a;
    words[3] = d ^ b;
    words[1] = b ^ words[2]!;
    words[0] = a ^ words[3]!;
    words[2] = words[2]! ^ (b << 9);
    words[3] = rotate(words[3]!, 11);
    return Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
  }

  /** In [low, high). */
  uniform(low = 0, high = 1): number {
    return low + (this.bits() / 2 ** 32) * (high - low);
  }

  /** A whole number from 0, less than `end`. */
  integer(end: number): number {
    return Math.floor(this.uniform(0, end));
  }

  /** 0 to `count` − 1 in random order (Fisher and Yates). */
  permutation(count: number): Int32Array {
    const order = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const j = this.integer(i + 1);
      order[i] = order[j]!;
      order[j] = i;
    }
    return order;
  }
}

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** One word of a state: splitmix32's mixing, once for every number. */
function hash(key: readonly number[], word: number): number {
  let state = Math.imul(word + 1, 0x9e3779b9);
  for (const number of key) {
    // Both halves of a number count, so that seeds above 2³² differ.
    for (const half of [number, Math.floor(number / 2 ** 32)]) {
      let z = (state ^ half) + 0x9e3779b9;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      state = z ^ (z >>> 15);
    }
  }
  return state;
}
