/**
 * One buffer for all activations. A value lives from the step that makes it to the last that reads it; two values may
 * share bytes when their lives do not meet. Placing the largest first, each at the lowest offset that is free for its
 * whole life, is the greedy-by-size rule of TensorFlow Lite's planner (Pisarchyk, Lee: arXiv:2001.03288): on
 * MobileNetV2 it reaches the lower bound, the largest sum of values alive at once.
 */

export interface Lifetime {
  name: string;
  /** Bytes. */
  size: number;
  /** First and last step, both inclusive. */
  first: number;
  last: number;
}

export interface Placement {
  /** Where every value lies, in bytes. */
  offsets: Map<string, { offset: number; size: number }>;
  /** Bytes of the whole arena. */
  size: number;
}

/** Offsets are multiples of a cache line, which is more than any SIMD load wants. */
const ALIGNMENT = 64;
const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

export function placeValues(lifetimes: readonly Lifetime[]): Placement {
  const placed: (Lifetime & { offset: number })[] = [];
  const bySize = [...lifetimes].sort((a, b) => b.size - a.size || a.first - b.first);
  for (const value of bySize) {
    const meeting = placed
      .filter((other) => other.first <= value.last && value.first <= other.last)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of meeting) {
      if (offset + value.size <= other.offset) break; // fits into the gap below
      offset = Math.max(offset, align(other.offset + other.size));
    }
    placed.push({ ...value, offset });
  }
  return {
    offsets: new Map(placed.map(({ name, offset, size }) => [name, { offset, size }])),
    size: placed.reduce((end, { offset, size }) => Math.max(end, align(offset + size)), 0),
  };
}
