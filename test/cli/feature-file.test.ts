/** Files of features that somebody can read again, or none at all. */
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { FeatureFile } from '../../src/cli/feature-file.js';
import { readFeatures } from '../../src/cli/feature-reader.js';
import { env } from '../../src/entries/main-node.js';
import { temporaryFolder } from '../helpers/cli.js';
import { expectError } from '../helpers/weight-files.js';

const before = env.limits.headerBytes;
afterEach(() => {
  env.limits.headerBytes = before;
});

describe('names that make a header longer than readers take', () => {
  const names = Array.from({ length: 50 }, (_, i) => `a folder with a long name/picture ${i}.jpg`);

  it('are refused before a byte is written, with what to do', async () => {
    const folder = temporaryFolder();
    env.limits.headerBytes = 2000;
    const path = `${folder}/f.safetensors`;
    await expectError(() => new FeatureFile(path, names), {
      code: 'LIMIT',
      file: path,
      says: ['50 pictures', '2000', 'write .npy', 'a file for each folder'],
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each(['safetensors', 'npy'])('are fine in .npy, and within the limit in .safetensors: %s', async (extension) => {
    if (extension === 'npy') env.limits.headerBytes = 2000;
    const path = `${temporaryFolder()}/f.${extension}`;
    const file = new FeatureFile(path, names);
    for (const name of names) file.append(name, Float32Array.of(1, 2));
    file.finish([2]);
    const { files, data, width } = await readFeatures(path);
    expect(files).toEqual(names);
    expect(width).toBe(2);
    expect(data).toHaveLength(100);
  });
});
