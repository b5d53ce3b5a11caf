import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeError } from '../../src/cli/errors.js';
import { fraction, heightWidth, hiddenStates, wholeNumber } from '../../src/cli/options.js';
import { Progress } from '../../src/cli/progress.js';
import { resultPaths } from '../../src/cli/result-paths.js';
import { grouped, millions, percent, plural, printable, table } from '../../src/cli/text.js';

describe('text', () => {
  it('shows what a terminal would obey', () => {
    expect(printable('a\nb\tc\x1b[2J\u202e')).toBe('a\\nb\\tc\\u001b[2J\\u202e');
    expect(printable('Größe 👨‍👩‍👧.png')).toBe('Größe 👨‍👩‍👧.png');
  });

  it('aligns numbers', () => {
    expect([1, 0.9465, 0.0005, 0.0004, 0].map(percent)).toEqual([
      '100.0 %',
      ' 94.7 %',
      '  0.1 %',
      '< 0.1 %',
      '  0.0 %',
    ]);
    expect(grouped(3504872)).toBe('3,504,872');
    expect(millions(2741e6)).toBe('2,741.0 M');
    expect([plural(1, 'picture'), plural(1200, 'picture')]).toEqual(['1 picture', '1,200 pictures']);
    expect(
      table(
        [
          ['a', '1'],
          ['long', '200'],
        ],
        [1],
      ),
    ).toBe('a       1\nlong  200');
  });
});

describe('values of options', () => {
  it('are read or refused', () => {
    expect(wholeNumber(1, 10)('7')).toBe(7);
    for (const text of ['0', '11', '1e1', '', ' 7', '7.0', '-1'])
      expect(() => wholeNumber(1, 10)(text), text).toThrow('10');
    expect(['0', '.5', '1.0', '1.'].map(fraction)).toEqual([0, 0.5, 1, 1]);
    for (const text of ['1.1', '-0', '', '.', 'NaN']) expect(() => fraction(text), text).toThrow('0 to 1');
    expect([heightWidth('224x320'), heightWidth('96')]).toEqual([
      [224, 320],
      [96, 96],
    ]);
    for (const text of ['0', '5x', 'x5', '5x0', '1x2x3']) expect(() => heightWidth(text), text).toThrow('224x320');
    expect(hiddenStates('9, 12')).toEqual([9, 12]);
    for (const text of ['', '16', '1,,2']) expect(() => hiddenStates(text), text).toThrow('9,12');
  });
});

describe('names of results', () => {
  const load = () => Promise.reject(new Error('not needed'));
  const masks = (files: string[]) => {
    const pictures = files.map((file) => ({ file, anywhere: true, load }));
    const { paths, own } = resultPaths(pictures, 'out', ['mask', 'overlay']);
    return { masks: pictures.map((picture) => paths.get(picture)!.mask), own: [...own].map(({ file }) => file) };
  };

  it('come from pictures, URLs and standard input', () => {
    expect(masks(['a/x.y.png', 'https://example.org/b/z.jpg?w=3', '-']).masks).toEqual([
      'out/x.y.mask.png',
      'out/z.mask.png',
      'out/stdin.mask.png',
    ]);
  });

  it('never meet, also where case and accents do not count', () => {
    expect(masks(['é.png', 'b/E\u0301.png', 'é-2.jpg']).masks).toEqual([
      'out/é.mask.png',
      'out/E\u0301-3.mask.png',
      'out/é-2.mask.png',
    ]);
    expect(masks(['out/a.png', 'out/a.mask.png', 'out/a.overlay.png']).own).toEqual([
      'out/a.mask.png',
      'out/a.overlay.png',
    ]);
  });
});

describe('errors', () => {
  it('tell those of the system from faults of our own', () => {
    const system = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES', syscall: 'open' });
    expect(describeError(system)).toEqual({ code: 'EACCES', message: 'EACCES: permission denied' });
    expect(describeError(new TypeError('x is not a function'))).toMatchObject({ code: 'INTERNAL' });
  });
});

describe('progress', () => {
  const isTTY = process.stderr.isTTY;
  afterEach(() => {
    process.stderr.isTTY = isTTY;
    vi.restoreAllMocks();
  });

  /** What is written when `done` of 100 pictures are done `ms` after the start. */
  async function drawn(ms: number, done: number, terminal = true): Promise<string> {
    let text = '';
    process.stderr.isTTY = terminal;
    const now = vi.spyOn(performance, 'now').mockReturnValue(0);
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
      text += chunk;
      return true;
    });
    const progress = new Progress(100, true);
    now.mockReturnValue(ms);
    await progress.update(done);
    progress.hide();
    return text;
  }

  it('shows a bar after a second, with the time that is left', async () => {
    expect(await drawn(2000, 25)).toContain('25 of 100 pictures, 6 s left');
    expect(await drawn(600_000, 1)).toContain('1 of 100 pictures, 16 h 30 min left');
  });

  it('shows none for short work, at the end, and where there is no terminal', async () => {
    expect([await drawn(900, 50), await drawn(9000, 100), await drawn(9000, 50, false)]).toEqual(['', '', '']);
  });
});
