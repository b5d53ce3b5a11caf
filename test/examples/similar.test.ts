/** examples/similar.mjs as a reader would run it. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RawImage } from '../../src/entries/main-node.js';
import { ROOT, temporaryFolder } from '../helpers/cli.js';
import { writeStripes } from '../helpers/tiny.js';

it('similar.mjs finds the photograph of the same dog before stripes, and goes on after a broken picture', async () => {
  const folder = temporaryFolder();
  copyFileSync(join(ROOT, 'examples/dog.jpg'), `${folder}/dog.jpg`);
  const husky = await RawImage.read(join(ROOT, 'examples/husky.png'));
  await (await husky.crop([20, 20, 269, 369])).save(`${folder}/crop.png`);
  writeStripes(folder, 'stripes.png', 3, 200, 200);
  writeFileSync(`${folder}/broken.png`, 'no picture');
  const args = [join(ROOT, 'examples/similar.mjs'), join(ROOT, 'examples/husky.png'), folder];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(status).toBe(0);
  expect(stderr).toContain('broken.png');
  const lines = stdout.trimEnd().split('\n');
  expect(lines.map((line) => line.replace(/.*[/\\]/, ''))).toEqual(['crop.png', 'dog.jpg', 'stripes.png']);
  const cosines = lines.map((line) => Number(line.split(' ')[0]));
  expect(cosines[0]).toBeGreaterThan(0.8);
  expect(cosines[2]).toBeLessThan(cosines[1]);
});
