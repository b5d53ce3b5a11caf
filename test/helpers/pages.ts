/** Pages of Markdown whose programs run: README.md and docs/. */
import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import { ROOT } from './cli.js';

/** The code of every block whose fence says exactly this. */
export function blocks(page: string, fence: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${fence}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => code);
}

/** Runs a program as a reader would, in the repository: it prints what it promises after `// →`, and nothing else. */
export function expectPromised(code: string): void {
  // In the package's own folder its name means itself: dist/, which build.ts has brought up to date.
  const run = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: ROOT, encoding: 'utf8' });
  expect(run.stderr).toBe('');
  const promised = [...code.matchAll(/\/\/ → (.*)/g)].map(([, line]) => line);
  expect(promised.length).toBeGreaterThan(0);
  expect(run.stdout.trimEnd().split('\n')).toEqual(promised);
}

/** Links to files of ours, without what follows a #. */
export function localLinks(page: string): string[] {
  return [...page.matchAll(/\]\(([^)]+)\)/g)]
    .map(([, link]) => link.replace(/#.*/, ''))
    .filter((link) => link !== '' && !/^https?:/.test(link));
}
