import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Lifetime, placeValues } from '../../src/runtime/compile/arena.js';

const lifetimes = fc
  .array(
    fc.record({
      size: fc.integer({ min: 1, max: 5000 }),
      first: fc.integer({ min: 0, max: 30 }),
      length: fc.integer({ min: 0, max: 6 }),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((list) =>
    list.map(({ size, first, length }, i): Lifetime => ({ name: `v${i}`, size, first, last: first + length })),
  );

describe('placeValues', () => {
  it('never lets two values alive at once share a byte', () => {
    fc.assert(
      fc.property(lifetimes, (lives) => {
        const { offsets, size } = placeValues(lives);
        for (const [i, a] of lives.entries()) {
          const from = offsets.get(a.name)!.offset;
          expect(from % 64).toBe(0);
          expect(from + a.size).toBeLessThanOrEqual(size);
          for (const b of lives.slice(i + 1)) {
            const alive = a.first <= b.last && b.first <= a.last;
            const start = offsets.get(b.name)!.offset;
            if (alive) expect(from + a.size <= start || start + b.size <= from, `${a.name} and ${b.name}`).toBe(true);
          }
        }
      }),
    );
  });

  it('needs no more than the values alive at the worst step when they form a chain', () => {
    // x0 → x1 → x2 …: each value meets only its neighbours.
    fc.assert(
      fc.property(
        fc.array(
          fc.integer({ min: 1, max: 300 }).map((n) => n * 64),
          { minLength: 2, maxLength: 40 },
        ),
        (sizes) => {
          const lives = sizes.map((size, i) => ({ name: `v${i}`, size, first: i, last: i + 1 }));
          const worst = Math.max(...sizes.slice(1).map((size, i) => size + sizes[i]));
          // Greedy by size is not always optimal; on chains it stays within half a buffer of the bound.
          expect(placeValues(lives).size).toBeLessThanOrEqual(worst * 1.5);
        },
      ),
    );
  });
});
