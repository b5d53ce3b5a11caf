/** How far a run is, as people read it. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Progress } from '../../src/batch/progress.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Where it writes to. */
const stream = () => {
  const lines: string[] = [];
  return { lines, write: (line: string) => lines.push(line) } as unknown as NodeJS.WriteStream & { lines: string[] };
};

it('is a line every ten seconds, with the rate of the last thirty and the time left', () => {
  const out = stream();
  const progress = new Progress(6000, 1000, { stream: out });
  vi.advanceTimersByTime(10_000);
  expect(out.lines).toEqual(['mobilenet-v2-batch: 1,000 of 6,000 pictures, 0.0 pictures/s, … left\n']);
  progress.add(200);
  vi.advanceTimersByTime(10_000);
  expect(out.lines[1]).toContain('1,200 of 6,000 pictures, 10.0 pictures/s, 8 min 0 s left');
  for (let n = 0; n < 4; n++) {
    progress.add(1000);
    vi.advanceTimersByTime(10_000);
  }
  expect(out.lines.at(-1), 'the slow beginning is forgotten').toMatch(/5,200 of 6,000 pictures, \d+\.\d pictures/);
  expect(out.lines[4]).toMatch(/, (6[0-9]|[7-9]\d|100)\.\d pictures\/s, \d+ s left/);
  progress.end();
  vi.advanceTimersByTime(60_000);
  expect(out.lines).toHaveLength(6);
});

it('is silent where that is asked for', () => {
  const out = stream();
  const progress = new Progress(10, 0, { stream: out, quiet: true });
  vi.advanceTimersByTime(60_000);
  expect(out.lines).toEqual([]);
  expect(progress.line()).toContain('0 of 10 pictures');
  progress.end();
});
