/**
 * JPEGs of every kind, to the last bit what Pillow makes of them: a few hundred that are committed, and, where there is a
 * Python with Pillow, the 3,000 that goldens/images/jpeg_matrix.py makes.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import { MobileNetError } from '../../src/base/errors.js';
import { decodeJpeg } from '../../src/codecs/jpeg/decode.js';
import { decodeImage } from '../../src/images/decode.js';
import { temporaryFolder } from '../helpers/cli.js';
import '../helpers/pictures.js';
import { hasProgram, pythonWith } from '../helpers/python.js';

/** What Pillow sees in a file, or how it refuses it. */
interface Seen {
  kind: string;
  width?: number;
  height?: number;
  channels?: number;
  sha256?: string;
  /** Of the pixels at a half, then a quarter, then an eighth, as stored. */
  scaled?: string;
  error?: string;
}

const GOLDENS = fileURLToPath(new URL('../goldens/images/', import.meta.url));
const json = <T>(path: string): Record<string, T> => JSON.parse(readFileSync(path, 'utf8'));

/** Valid, and refused by us: arithmetic coding, which browsers do not read either. */
const UNSUPPORTED = /^arithmetic-/;
/** A second scan of the same coefficients, which Pillow refuses. Browsers show the picture, and so do we. */
const ACCEPTED = new Set(['scans-twice']);

const { onWarning } = env;
beforeAll(() => {
  env.onWarning = () => {};
});
afterAll(() => {
  env.onWarning = onWarning;
});

async function scaledHash(bytes: Uint8Array): Promise<string> {
  const together = createHash('sha256');
  for (const scale of [2, 4, 8] as const) together.update((await decodeJpeg(bytes, 'file', { scale })).data);
  return together.digest('hex');
}

async function outcome(file: string, bytes: Uint8Array, { scaled }: Seen): Promise<Omit<Seen, 'kind'>> {
  try {
    const { data, width, height, channels } = await decodeImage(bytes, { file });
    const sha256 = createHash('sha256').update(data).digest('hex');
    return { width, height, channels, sha256, ...(scaled && { scaled: await scaledHash(bytes) }) };
  } catch (error) {
    // What Pillow refuses has to be refused as a file that is not sound, never as something that went wrong.
    if (!(error instanceof MobileNetError)) throw error;
    if (!['IMAGE', 'UNSUPPORTED'].includes(error.code)) throw error;
    return { error: UNSUPPORTED.test(file) ? error.code : 'refused' };
  }
}

/** One entry for every file that comes out in another way. */
async function differences(entries: readonly [string, Seen, () => Uint8Array][]): Promise<string[]> {
  const found: string[] = [];
  for (const [name, entry, read] of entries) {
    if (ACCEPTED.has(name)) continue;
    const { kind: _kind, ...seen } = entry;
    const refusal = UNSUPPORTED.test(name) ? 'UNSUPPORTED' : seen.error && 'refused';
    const expected = refusal === undefined ? seen : { error: refusal };
    const actual = await outcome(name, read(), entry);
    if (JSON.stringify(actual) === JSON.stringify(expected)) continue;
    found.push(`${name}: ${actual.error ?? 'other pixels'}${seen.error ? `; Pillow: ${seen.error}` : ''}`);
  }
  return found;
}

describe('committed files', () => {
  const files = readFileSync(join(GOLDENS, 'jpeg_matrix.bin'));
  const entries = Object.entries(json<Seen & { at: number; bytes: number }>(join(GOLDENS, 'jpeg_matrix.json')));
  const kinds = [...new Set(entries.map(([, { kind }]) => kind))];

  it.each(kinds)('%s', async (kind) => {
    const own = entries.filter(([, entry]) => entry.kind === kind);
    expect(
      await differences(
        own.map(([name, { at, bytes, ...seen }]) => [name, seen, () => new Uint8Array(files.subarray(at, at + bytes))]),
      ),
    ).toEqual([]);
  });
});

const python = pythonWith(['PIL', 'numpy'], 'the matrix of JPEGs');

describe.skipIf(python === undefined || !hasProgram('cjpeg', ['-version'], 'the matrix of JPEGs'))('the matrix', () => {
  it('every file', { timeout: 600_000 }, async () => {
    const folder = temporaryFolder();
    execFileSync(python!, [join(GOLDENS, 'jpeg_matrix.py'), folder]);
    const entries = Object.entries(json<Seen>(join(folder, 'matrix.json')));
    expect(entries.length).toBeGreaterThan(3000);
    expect(
      await differences(
        entries.map(([name, seen]) => [name, seen, () => new Uint8Array(readFileSync(join(folder, `${name}.jpg`)))]),
      ),
    ).toEqual([]);
  });
});
