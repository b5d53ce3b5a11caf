/**
 * JPEGs of the kinds that encoders write, each to the last bit as libjpeg-turbo decodes it: 56 that are committed, and with
 * `JPEGS=5040` all that goldens/images/jpeg_grid.py makes, where there is a Python with Pillow.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../src/images/decode.js';
import { temporaryFolder } from '../helpers/cli.js';
import '../helpers/pictures.js';
import { hasProgram, pythonWith } from '../helpers/python.js';
import { Ledger } from './ledger.js';

const ledger = new Ledger('jpegs', 'JPEGS=5040 npx vitest run test/reliability/jpegs.test.ts');
const GOLDENS = fileURLToPath(new URL('../goldens/images/', import.meta.url));

interface Seen {
  at: number;
  bytes: number;
  width: number;
  height: number;
  channels: number;
  sha256: string;
}

/** Decodes all files. @returns a line for every one that comes out in another way, and how many there are by kind */
async function compare(folder: string, name: string): Promise<{ wrong: string[]; counts: Map<string, number> }> {
  const files = readFileSync(join(folder, `${name}.bin`));
  const entries: Record<string, Seen> = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
  const wrong: string[] = [];
  const counts = new Map<string, number>();
  for (const [file, { at, bytes, ...seen }] of Object.entries(entries)) {
    const [sampling, mode] = file.split('-');
    const kind = `${sampling}, ${mode}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    try {
      const { data, width, height, channels } = await decodeImage(new Uint8Array(files.subarray(at, at + bytes)), {
        file,
      });
      const sha256 = createHash('sha256').update(data).digest('hex');
      if (JSON.stringify({ width, height, channels, sha256 }) !== JSON.stringify(seen))
        wrong.push(`${file}: other pixels`);
    } catch (error) {
      wrong.push(`${file}: ${error}`);
    }
  }
  return { wrong, counts };
}

it('one of every kind', async () => {
  const { wrong, counts } = await compare(GOLDENS, 'jpeg_grid');
  expect(wrong).toEqual([]);
  expect([...counts.values()]).toEqual(new Array(14).fill(4));
});

const wanted = process.env.JPEGS !== undefined;
if (!wanted) console.log('5,040 JPEGs left out: JPEGS=5040 has them made and compared');
const python = wanted ? pythonWith(['PIL', 'numpy'], '5,040 JPEGs') : undefined;
const isThere = python !== undefined && hasProgram('cjpeg', ['-version'], '5,040 JPEGs');

describe.skipIf(!isThere)('all of them', () => {
  it('7 samplings, baseline and progressive, 4 settings of restarts, sides from 1 to 64', {
    timeout: 900_000,
  }, async () => {
    const folder = temporaryFolder();
    execFileSync(python!, [join(GOLDENS, 'jpeg_grid.py'), folder], { stdio: ['ignore', 'ignore', 'inherit'] });
    const { wrong, counts } = await compare(folder, 'grid');
    expect(wrong).toEqual([]);
    for (const [kind, tried] of counts) {
      expect(tried).toBe(4 * 90);
      ledger.add({ what: `JPEGs, ${kind}`, tried, accepted: tried });
    }
  });
});
