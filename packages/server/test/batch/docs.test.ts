/** docs/batch.md: every flag that it names is there, in the command that it names it for. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { batch } from './helpers.js';

const page = readFileSync(new URL('../../../../docs/batch.md', import.meta.url), 'utf8');
const COMMANDS = ['run', 'work', 'status'];

it('docs/batch.md names flags that are there', async () => {
  const helps = await Promise.all(COMMANDS.map((command) => batch([command, '--help']).ended));
  const known = new Map(COMMANDS.map((command, n) => [command, flagsIn(helps[n].output)]));
  const calls = [...page.matchAll(/mobilenet-v2-batch (run|work|status)\b([^\n`]*)/g)];
  expect(calls.length).toBeGreaterThan(6);
  for (const [call, command, rest] of calls) {
    for (const flag of flagsIn(rest)) expect(known.get(command), call).toContain(flag);
  }
  const ours = [...page.matchAll(/`(?:run |work )?(--[a-z-]+)[^`]*`/g)].map(([, flag]) => flag);
  const all = [...known.values()].flat();
  for (const flag of ours) expect(all).toContain(flag);
});

const flagsIn = (text: string): string[] => [...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([flag]) => flag);
