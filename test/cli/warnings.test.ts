/** Damaged pictures that can be read: a result, and one line on standard error for each file. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors.js';
import { toFloat32 } from '../../src/formats/stored.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { cli, ROOT, temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier, saveTinySegmenter, writeStripes } from '../helpers/tiny.js';

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

describe('weights that the checkpoint lacks', () => {
  /** A tiny model without one tensor, and two pictures. */
  async function incomplete(save: (folder: string) => Promise<void>, lacking: string): Promise<string> {
    const folder = temporaryFolder();
    await save(folder);
    const path = join(folder, 'model.safetensors');
    const { tensors } = readSafetensors(readFileSync(path), { file: path });
    const kept = new Map<string, Tensor>();
    for (const [name, stored] of tensors) if (stored.dtype === 'F32') kept.set(name, toFloat32(stored)); // not the counters
    expect(kept.delete(lacking)).toBe(true);
    writeFileSync(path, writeSafetensors(kept));
    for (const seed of [1, 2]) writeStripes(folder, `${seed}.png`, seed);
    return folder;
  }
  const LACKING = 'mobilenet_v2.layer.3.conv_3x3.convolution.weight';

  it.each([
    ['classify', saveTinyClassifier],
    ['segment', saveTinySegmenter],
    ['features', saveTinyClassifier],
    ['similar', saveTinyClassifier],
  ])('are named once by %s', async (command, save) => {
    const folder = await incomplete(save, LACKING);
    const pictures = [join(folder, '1.png'), join(folder, '2.png')];
    const out = command === 'segment' ? ['--out', folder] : [];
    const { code, stderr } = await cli([command, ...pictures, '--model', folder, '--no-strict', ...out]);
    expect(code, stderr).toBe(0);
    const name = command === 'features' || command === 'similar' ? LACKING.replace('mobilenet_v2.', '') : LACKING;
    expect(stderr).toBe(
      `mobilenet-v2: ${folder}/model.safetensors: lacks weights, which are random now; until they are trained, results mean nothing: ${name}\n`,
    );
  });
});
