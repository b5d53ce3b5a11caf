/** Damaged pictures that can be read: a result, and one line on standard error for each file. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cli, ROOT, temporaryFolder } from '../helpers/cli.js';

const husky = readFileSync(join(ROOT, 'examples/husky.png'));

/** Files with bytes after their end. */
function damaged(count: number): string[] {
  const folder = temporaryFolder();
  return Array.from({ length: count }, (_, n) => {
    const path = join(folder, `damaged${n}.png`);
    writeFileSync(path, Buffer.concat([husky, Buffer.from('more')]));
    return path;
  });
}

it.each([1, 4])('of %i files each is named once, whichever thread reads it', async (count) => {
  const files = damaged(count);
  const { code, stdout, stderr } = await cli(['classify', '--json', ...files]);
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toHaveLength(count);
  for (const file of files) {
    const lines = stderr.split('\n').filter((line) => line.includes(file));
    expect(lines).toEqual([`mobilenet-v2: ${file}: read although 4 more bytes come after IEND`]);
  }
});

it('--quiet keeps them silent', async () => {
  const { code, stderr } = await cli(['classify', '--quiet', ...damaged(1)]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});
