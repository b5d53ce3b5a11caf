/** That test/helpers/formula.ts and make.py's formula agree, by the samples which make.py left in cases.json. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type FormulaLabels, formulaLabels, formulaState, formulaTensor } from '../helpers/formula.js';
import { readGoldens } from '../helpers/goldens.js';

type Sample = { name: string; dims: number[]; first: number[]; sum: number } & Partial<FormulaLabels>;

const folder = new URL('../goldens/models/', import.meta.url);
const { formula, cases } = JSON.parse(readFileSync(new URL('cases.json', folder), 'utf8')) as {
  formula: Sample[];
  cases: { name: string; outputs: string[] }[];
};

describe('the formula of the model goldens', () => {
  for (const sample of formula) {
    it(`${sample.name} ${sample.kind ?? ''} [${sample.dims.join(',')}]`, () => {
      const data =
        sample.kind === undefined
          ? formulaTensor(sample.name, sample.dims)
          : formulaLabels(sample as FormulaLabels).data;
      const values = Array.from(data as ArrayLike<number | bigint>, Number);
      expect(values.length).toBe(sample.dims.reduce((a, b) => a * b, 1));
      expect(values.slice(0, 4)).toEqual(sample.first.slice(0, values.length));
      // All terms are multiples of 2⁻²⁴ or coarser, so float64 sums them without rounding, in any order.
      expect(values.reduce((a, b) => a + b, 0)).toBe(sample.sum);
    });
  }

  it('a state leaves out the counters of batches', () => {
    const state = formulaState([
      ['a.normalization.running_var', [3]],
      ['a.normalization.num_batches_tracked', []],
    ]);
    expect([...state.keys()]).toEqual(['a.normalization.running_var']);
    for (const variance of state.get('a.normalization.running_var') ?? []) expect(variance).toBeGreaterThan(0.49);
  });

  it('every case has the outputs it lists', () => {
    expect(cases.length).toBeGreaterThan(24);
    for (const { name, outputs } of cases) {
      const goldens = readGoldens(new URL(`outputs/${name}.safetensors`, folder));
      expect([...goldens.keys()].sort(), name).toEqual([...outputs].sort());
    }
  });
});
