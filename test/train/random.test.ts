import { describe, expect, it } from 'vitest';
import { Random } from '../../src/train/random.js';

describe('Random', () => {
  it('is xoshiro128**', () => {
    // The first results of the authors' C code for the state 1, 2, 3, 4.
    const random = new Random([1, 2, 3, 4]);
    expect(Array.from({ length: 8 }, () => random.bits())).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849,
    ]);
  });

  it('goes on from its state', () => {
    const random = Random.at(7);
    for (let i = 0; i < 10; i++) random.bits();
    const copy = new Random(random.state);
    expect(Array.from({ length: 20 }, () => copy.bits())).toEqual(Array.from({ length: 20 }, () => random.bits()));
  });

  it('has other numbers for every key, large and negative ones too', () => {
    const firsts = new Set<string>();
    const keys = [[0], [1], [-1], [2 ** 32], [0, 0], [0, 1], [1, 0], [0, 0, 0]];
    for (const key of keys) firsts.add(Random.at(...key).state.join());
    for (let epoch = 0; epoch < 100; epoch++) {
      for (let index = 0; index < 100; index++) firsts.add(Random.at(1, epoch, index).state.join());
    }
    expect(firsts.size).toBe(keys.length + 10_000);
  });

  it('draws evenly, of neighboring keys too', () => {
    const counts = new Int32Array(10);
    for (let index = 0; index < 20_000; index++) counts[Random.at(3, 0, index).integer(10)]!++;
    // 2,000 each; the standard deviation is 42.
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(4 * 42);
  });

  it('permutes', () => {
    const order = Random.at(5).permutation(1000);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(order.filter((value, i) => value === i).length).toBeLessThan(8); // one is expected
    expect(Random.at(5).permutation(1000)).toEqual(order);
    expect(Random.at(5).permutation(0)).toHaveLength(0);
  });
});
