/** Seeded random numbers, so that two models made with the same seed are equal on every machine. */

/** 32 random bits a number. */
export interface RandomBits {
  /** Numbers drawn beforehand, and how many of them are used. */
  readonly block: Uint32Array;
  used: number;
  /** Draws new ones. */
  draw(): void;
}

/** xoshiro128** (Blackman and Vigna, public domain), seeded through splitmix32. */
export function randomBits(seed: number): RandomBits {
  let state = seed >>> 0;
  const splitmix = () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  const states = Int32Array.of(splitmix(), splitmix(), splitmix(), splitmix());
  const block = new Uint32Array(BLOCK);
  return { block, used: BLOCK, draw: () => draw(states, block) };
}

function next(random: RandomBits): number {
  if (random.used === BLOCK) {
    random.draw();
    random.used = 0;
  }
  return random.block[random.used++];
}

/** In [0, 1). */
const uniform = (random: RandomBits): number => next(random) / 2 ** 32;

/** Numbers are drawn so many at once, with the state in locals: one by one they take three times as long. */
const BLOCK = 1024;

function draw(states: Int32Array, block: Uint32Array): void {
  let [a, b, c, d] = states;
  const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));
  for (let i = 0; i < BLOCK; i++) {
    block[i] = Math.imul(rotate(Math.imul(b, 5), 7), 9);
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
  }
  states.set([a, b, c, d]);
}

/**
 * Edges and ratios of 128 layers of the same area under the bell curve (Marsaglia and Tsang's ziggurat, in the form of
 * J. A. Doornik, "An Improved Ziggurat Method to Generate Normal Random Samples", 2005). Of 100 numbers 99 cost one random
 * number, one comparison and one multiplication. Box and Muller's logarithm, root, sine and cosine made the head of
 * 100,000 classes take 3 s.
 */
const LAYERS = 128;
const TAIL = 3.442619855899;
const AREA = 9.91256303526217e-3;

const curve = (x: number): number => Math.exp(-0.5 * x * x);

const EDGES: Float64Array = (() => {
  const edges = new Float64Array(LAYERS + 1);
  edges[0] = AREA / curve(TAIL);
  edges[1] = TAIL;
  for (let i = 2; i < LAYERS; i++) edges[i] = Math.sqrt(-2 * Math.log(AREA / edges[i - 1] + curve(edges[i - 1])));
  return edges;
})();
const RATIOS = new Float64Array(LAYERS).map((_, i) => EDGES[i + 1] / EDGES[i]);

/** Normally distributed with mean 0. */
export function normal(random: RandomBits, deviation: number, count: number): Float32Array {
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const bits = next(random);
    const layer = bits & (LAYERS - 1);
    const x = (bits >>> 7) / 2 ** 24 - 1; // −1 to 1
    const inside = Math.abs(x) < RATIOS[layer];
    out[i] = (inside ? x * EDGES[layer] : atEdge(random, layer, x)) * deviation;
  }
  return out;
}

/** A number at the edge of its layer: one of the tail, or one that is below the curve, or another one. */
function atEdge(random: RandomBits, layer: number, u: number): number {
  for (let i = layer, x = u; ; ) {
    if (Math.abs(x) < RATIOS[i]) return x * EDGES[i];
    if (i === 0) return x < 0 ? -tail(random) : tail(random);
    const value = x * EDGES[i];
    const [low, high] = [curve(EDGES[i]), curve(EDGES[i + 1])];
    if (low + uniform(random) * (high - low) < curve(value)) return value;
    const bits = next(random);
    i = bits & (LAYERS - 1);
    x = (bits >>> 7) / 2 ** 24 - 1;
  }
}

/** Beyond `TAIL` (Marsaglia, 1964). */
function tail(random: RandomBits): number {
  for (;;) {
    const x = -Math.log(1 - uniform(random)) / TAIL;
    const y = -Math.log(1 - uniform(random));
    if (2 * y > x * x) return TAIL + x;
  }
}
