/** What counts as slower, and what as noise. */
import { describe, expect, it } from 'vitest';
import { changedTable, clockRemark, compare, noiseOf } from '../../bench/compare.mjs';
import { reportPage } from '../../bench/report/page.mjs';
import { interleave } from '../../bench/support.mjs';

const row = (kernel: string, best: number[], more: object = {}) => ({
  ...{ part: 'layers', network: '1.0-224', batch: 1, implementation: 'simd', threads: 1, memory: 'fast' },
  ...{ kernel, op: 'pointwise', step: kernel, shape: '49×96→576', count: 1, macs: 2.7e6, bytes: 4e5 },
  ...{ min: Math.min(...best), median: best[0], best },
  ...more,
});
const result = (rows: object[], peak = 30) => ({
  ...{ node: 'v20.0.0', machine: '2 × a processor', date: '2026-01-01T00:00:00.000Z' },
  groups: [{ part: 'layers', network: '1.0-224', batch: 1, peak, bandwidth: { 1: 15, 2: 20 } }],
  rows,
});

const quiet = [1, 1.01, 1.01];
const verdicts = (before: number[], after: number[]) =>
  compare(result([row('a', before)]), result([row('a', after)])).rows.map(({ verdict }) => verdict)[0];
const times = (factor: number, best: number[]) => best.map((time) => time * factor);

describe('compare', () => {
  it('takes the noise of both files', () => {
    expect(noiseOf({ best: [1.1, 1, 1.2] })).toBeCloseTo(0.1);
    expect(verdicts(quiet, times(1.02, quiet))).toBe('same'); // below the least
    expect(verdicts(quiet, times(1.05, quiet))).toBe('slower');
    expect(verdicts(quiet, times(0.9, quiet))).toBe('faster');
    const loud = [1, 1.04, 1.2];
    expect(verdicts(loud, times(1.05, quiet))).toBe('same'); // 4 % and 1 %
    expect(verdicts(quiet, times(1.05, loud))).toBe('same');
    expect(verdicts(loud, times(1.07, quiet))).toBe('slower');
  });

  it('takes the clock from a peak that both have', () => {
    const peaks = (...groups: [elements: string | undefined, peak: number][]) => ({
      ...result([row('a', quiet)]),
      groups: groups.map(([elements, peak]) => ({ ...result([]).groups[0], ...(elements && { elements }), peak })),
    });
    const clock = (before: object, after: object) => compare(before, after).clock;
    expect(clock(peaks([undefined, 30]), peaks(['f32', 33], ['i16', 48]))).toBeCloseTo(0.1);
    expect(clock(peaks(['i16', 40]), peaks(['f32', 33], ['i16', 48]))).toBeCloseTo(0.2);
    expect(clock(peaks(['f32', 30]), peaks(['i16', 48]))).toBe(0);
  });

  it('compares like with like', () => {
    const before = result([row('a', quiet), row('b', quiet), row('gone', quiet)]);
    const after = result([
      row('b', times(2, quiet)),
      row('a', quiet),
      row('a', times(3, quiet), { threads: 2 }),
      row('a', times(3, quiet), { memory: 'low' }),
    ]);
    const { rows, missing, added } = compare(before, after);
    expect(rows.map(({ row: { kernel }, verdict }) => [kernel, verdict])).toEqual([
      ['b', 'slower'],
      ['a', 'same'],
    ]);
    expect(missing).toHaveLength(1);
    expect(missing[0]).toContain('gone');
    expect(added).toHaveLength(2);
    const { body } = changedTable(compare(before, after));
    expect(body).toEqual([['layers 1.0-224 b 49×96→576, simd', '1.000', '2.000', '+100.0 %', '± 3.0 %', 'slower']]);
  });

  it('tells another machine by its peak', () => {
    const rows = [row('a', quiet)];
    expect(clockRemark(compare(result(rows), result(rows, 30.5)))).toBeNull();
    expect(clockRemark(compare(result(rows), result(rows, 24)))).toMatch(/^The multiply-add peak is 20 % less/);
  });
});

describe('report', () => {
  it('stands alone, and marks what changed', () => {
    const evil = row('<script>alert(1)</script>', quiet);
    const before = result([row('a', quiet)]);
    const after = result([evil, row('a', times(2, quiet)), row('d', quiet, { op: 'depthwise3x3' })]);
    const page = reportPage(after, compare(before, after));
    expect(page).not.toMatch(/<script|<link|https?:|url\(|@import|undefined|NaN/);
    expect(page).toContain('1 rows are slower, 0 faster, 0 the same.');
    expect(page).toContain('<td class="text slower">slower</td>');
    expect(page.match(/class="point"/g)!.length).toBeGreaterThanOrEqual(3);
    expect(page).toContain('multiply-add peak 30.0 GMAC/s');
  });
});

describe('rounds', () => {
  it('go in turn, and give every row its times', async () => {
    const order: string[] = [];
    const rows = ['a', 'b'].map((name) => ({
      name,
      run: () => {
        if (order.at(-1) !== name) order.push(name);
      },
    }));
    await interleave(rows, { rounds: 3, budget: 0 });
    expect(order).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
    for (const { best, min, median } of rows as unknown as { best: number[]; min: number; median: number }[]) {
      expect(best).toHaveLength(3);
      expect(min).toBe(Math.min(...best));
      expect(median).toBeGreaterThanOrEqual(min);
    }
  });
});
