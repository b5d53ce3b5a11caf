/** The standard's Huffman tables (ITU-T T.81, annex K.3), for which files without tables of their own stand. */
import { expect, it } from 'vitest';
import { standardTable, standardTables } from '../../../src/codecs/jpeg/tables.js';

it.each([
  [0, 12],
  [1, 12],
  [16, 162],
  [17, 162],
])('slot %i has %i symbols, each once, and a code for each', (slot, count) => {
  const table = standardTable(slot)!;
  expect(table[0]).toBe(slot);
  const lengths = [...table.subarray(1, 17)];
  const symbols = [...table.subarray(17)];
  expect(symbols).toHaveLength(count);
  expect(new Set(symbols).size).toBe(count);
  expect(lengths.reduce((sum, one) => sum + one)).toBe(count);
  // Not all codes of 16 bits are taken: the one of ones alone is kept free (annex C).
  expect(lengths.reduce((sum, one, i) => sum + one * 2 ** (15 - i), 0)).toBeLessThan(2 ** 16);
  // DC tables have categories 0 to 11, in order; AC ones a run of 0 to 15 and a size of 1 to 10, or 0 after a run of 0 or 15.
  if (slot < 16) expect(symbols).toEqual(Array.from({ length: 12 }, (_, i) => i));
  else expect(symbols.every((one) => (one & 15) <= 10 && ((one & 15) > 0 || one === 0 || one === 0xf0))).toBe(true);
});

it('other slots have none', () => expect(standardTable(2)).toBeUndefined());

it('segments hold them', () => {
  const bytes = standardTables([0, 17]);
  expect([...bytes.subarray(0, 2)]).toEqual([0xff, 0xc4]);
  expect(bytes).toHaveLength(2 * 4 + 17 + 12 + 17 + 162);
});
