/** Trainings that are killed at random moments end with the weights of one that was not; `npm run test:kills` kills more. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../helpers/cli.js';

const kills = process.env.TRAINING_KILLS ?? '4';

it.each(['head', 'all'])('kill -9 while %s is trained', async (part) => {
  const child = spawn(process.execPath, [join(ROOT, 'test/train/kills.mjs'), kills, part]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const code = await new Promise((resolve) => child.on('close', resolve));
  console.log(said.trim());
  expect(code, said).toBe(0);
  expect(said).toMatch(new RegExp(`^${kills} kills, .* trainings to their end`, 'm'));
});
