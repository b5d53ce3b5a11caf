/** What people are told: names in errors, and warnings. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { env, warn } from '../../src/base/env.js';
import { listNames } from '../../src/base/errors.js';

it('as many names as fit, and how many more there are', () => {
  expect(listNames([])).toBe('');
  expect(listNames(['a', 'b', 'c'])).toBe('a, b, c');
  expect(listNames(['a', 'b', 'c'], 2)).toBe('a, b and 1 more');
  expect(listNames(['aaaa', 'bbbb', 'cccc', 'dddd'], 20, 9)).toBe('aaaa, bbbb and 2 more');
  expect(listNames(['a'.repeat(400), 'b'], 20, 300)).toBe(`${'a'.repeat(300)}… and 1 more`);
});

it('warnings go to the console, with the name of the package, to a listener, or nowhere', () => {
  const { onWarning } = env;
  const words = vi.spyOn(console, 'warn').mockReturnValue();
  onTestFinished(() => {
    env.onWarning = onWarning;
    words.mockRestore();
  });
  warn('a.jpg is cut short');
  expect(words.mock.calls).toEqual([['mobilenet-v2: a.jpg is cut short']]);
  const heard: string[] = [];
  env.onWarning = (message) => heard.push(message);
  warn('b.jpg');
  env.onWarning = null;
  warn('c.jpg');
  expect(heard).toEqual(['b.jpg']);
  expect(words).toHaveBeenCalledTimes(1);
});
