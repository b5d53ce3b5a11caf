/**
 * A few thousand of the inputs that `npm run fuzz:structure` makes by the million, and whether that command finds what it is
 * there to find.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import { MobileNetError } from '../../src/base/errors.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { randomNumbers } from '../helpers/random.js';
import { SEED } from '../helpers/seed.js';
import { belowOf } from './mutate.js';
import { PLANTED, READERS } from './structure/readers.js';

const RUNS = 300;
const before = { ...env.limits };

beforeAll(() => {
  env.platform = nodePlatform;
  env.onWarning = () => {};
  Object.assign(env.limits, { imagePixels: 1e6, headerBytes: 1e6, weightsBytes: 8e6, jsonBytes: 1e6 });
});
afterAll(() => {
  Object.assign(env.limits, before);
});

it.each(READERS)('$name', async ({ make, read }) => {
  const below = belowOf(randomNumbers(SEED));
  let accepted = 0;
  for (let run = 0; run < RUNS; run++) {
    const bytes = make(below);
    try {
      await read(bytes);
      accepted++;
    } catch (error) {
      if (error instanceof MobileNetError) continue;
      throw new Error(`seed ${SEED}, run ${run}: ${Buffer.from(bytes).toString('base64')}`, { cause: error });
    }
  }
  expect(accepted).toBeGreaterThan(0);
});

const hasLimits = spawnSync('prlimit', ['--version']).status === 0;
if (!hasLimits) console.log('skipped: prlimit of util-linux is not here, which sets limits of memory');

describe.skipIf(!hasLimits)('the command', () => {
  const script = fileURLToPath(new URL('structure/fuzz.mjs', import.meta.url));
  const keep = mkdtempSync(join(tmpdir(), 'planted-'));
  afterAll(() => rmSync(keep, { recursive: true, force: true }));
  const run = (reader: string) =>
    spawnSync(
      process.execPath,
      [script, '--reader', reader, '--runs', '300', '--seed', '1', '--silence', '20000', '--keep', keep],
      { encoding: 'utf8', env: { ...process.env, RELIABILITY_RECORD: '0' } },
    );

  it('runs a reader in a process of its own', () => {
    const { status, stdout } = run('labels');
    expect(stdout).toMatch(/^labels: 300 runs, \d+ accepted, 0 crashes/);
    expect(status).toBe(0);
  });

  it.each(PLANTED)('finds $name, and keeps its input', ({ name }) => {
    const { status, stdout } = run(name);
    expect(stdout).toContain(`CRASH ${name}`);
    const kept = /the input: (.*)/.exec(stdout)?.[1] ?? '';
    expect(existsSync(kept)).toBe(true);
    expect([...readFileSync(kept)]).toEqual([7]);
    expect(status).toBe(1);
  });
});
