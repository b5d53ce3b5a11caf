/** `mobilenet-v2 similar`: against cosines computed here from what `features` gives. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { cli, temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier, stripes, writeStripes } from '../helpers/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveTinyClassifier(`${folder}/model`);
  mkdirSync(`${folder}/photos`);
  for (let n = 0; n < 5; n++) writeStripes(`${folder}/photos`, `${n}.png`, n, 40, 30);
  copyFileSync(`${folder}/photos/2.png`, `${folder}/photos/copy, of 2.png`);
});
const run = (args: readonly string[], stdin?: Uint8Array) =>
  cli([...args, '--model', 'model'], { cwd: folder, ...(stdin && { stdin }) });

/** Best first. */
async function cosines(query: string): Promise<{ file: string; score: number }[]> {
  const { stdout } = await run(['features', 'photos', '--json']);
  const records: { file: string; features: number[] }[] = JSON.parse(stdout);
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const own = records.find(({ file }) => file === query)!.features;
  return records
    .filter(({ file }) => file !== query)
    .map(({ file, features }) => ({
      file,
      score: dot(features, own) / Math.sqrt(dot(features, features) * dot(own, own)),
    }))
    .sort((a, b) => b.score - a.score);
}

describe('similar', () => {
  it('gives the pictures with the largest cosines, best first, without the query itself', async () => {
    const expected = await cosines('photos/2.png');
    const { code, stdout, stderr } = await run(['similar', 'photos/2.png', 'photos', '-k', '3', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const found: { file: string; score: number }[] = JSON.parse(stdout);
    expect(found.map(({ file }) => file)).toEqual(expected.slice(0, 3).map(({ file }) => file));
    expect(found[0].file).toBe('photos/copy, of 2.png');
    for (const [n, { score }] of found.entries()) expect(score).toBeCloseTo(expected[n].score, 5);
    const batches = await run(['similar', 'photos/2.png', 'photos', '-k', '3', '-b', '4', '-f', 'lines']);
    expect(batches.stdout.split('\n').map((line) => line.split('\t')[0])).toEqual([
      ...found.map(({ file }) => file),
      '',
    ]);
    const text = await run(['similar', `${folder}/photos/2.png`, 'photos', '-k', '1']);
    expect(text.stdout).toBe('1.000  photos/copy, of 2.png\n');
  });

  it.each(['npy', 'safetensors'])('looks in features that were written as .%s', async (extension) => {
    const direct = await run(['similar', 'photos/2.png', 'photos', '--format', 'csv']);
    expect((await run(['features', 'photos', '--out', `f.${extension}`])).code).toBe(0);
    const stored = await run(['similar', 'photos/2.png', '--features', `f.${extension}`, '--format', 'csv']);
    expect(stored).toEqual(direct);
    expect(direct.stdout.split('\n')[1]).toMatch(/^"photos\/copy, of 2\.png",1,(1|0\.9999\d*),$/);
  });

  it('reads the query from standard input, and leaves out what is less similar', async () => {
    const [first, second] = await cosines('photos/2.png');
    const threshold = String((first.score + second.score) / 2);
    const args = ['similar', '-', 'photos', '--threshold', threshold, '-f', 'lines'];
    const { stdout } = await run(args, readFileSync(`${folder}/photos/2.png`));
    expect(stdout.split('\n').map((line) => line.split('\t')[0])).toEqual([
      'photos/2.png',
      'photos/copy, of 2.png',
      '',
    ]);
    const none = await run(['similar', 'photos/2.png', 'photos/0.png', '-t', '1']);
    expect(none).toEqual({ code: 0, stdout: '', stderr: 'mobilenet-v2: none of 1 pictures is that similar\n' });
  });

  it('goes on without a picture that fails, and ends without the query', async () => {
    writeFileSync(`${folder}/photos/broken.png`, 'no picture');
    const some = await run(['similar', 'photos/2.png', 'photos', '-k', '9']);
    expect([some.code, some.stdout.trimEnd().split('\n').length]).toEqual([1, 5]);
    expect(some.stderr).toContain('broken.png');
    const none = await run(['similar', 'photos/broken.png', 'photos']);
    expect(none).toMatchObject({ code: 1, stdout: '' });
    expect(none.stderr).toMatch(/^mobilenet-v2: photos\/broken\.png: [^\n]+\n$/);
  });

  it('says why it cannot be', async () => {
    await run(['features', 'photos', '--out', 'f.npy']);
    await run(['features', 'photos', '--no-pool', '--out', 'maps.npy']);
    writeFileSync(`${folder}/bad.npy`, 'no array');
    const bytes = readFileSync(`${folder}/f.npy`);
    writeFileSync(`${folder}/nameless.npy`, bytes);
    writeFileSync(`${folder}/cut.npy`, bytes.subarray(0, -1));
    copyFileSync(`${folder}/f.rows.csv`, `${folder}/cut.rows.csv`);
    const faults: [string[], number, string][] = [
      [['photos/2.png'], 2, 'name where to look'],
      [['photos', 'photos'], 2, 'expected one picture'],
      [['photos/2.png', 'photos', '--features', 'f.npy'], 2, 'not both'],
      [['photos/2.png', '--features', 'f.csv'], 2, '.npy or .safetensors'],
      [['photos/2.png', '--features', 'none.npy'], 2, '--features: none.npy: no such file'],
      [['photos/2.png', '--features', 'bad.npy'], 1, 'bad.npy: expected a .npy file'],
      [['photos/2.png', '--features', 'cut.npy'], 1, 'cut.npy: it ends before'],
      [['photos/2.png', '--features', 'nameless.npy'], 2, 'nameless.rows.csv: no such file'],
      [['photos/2.png', '--features', 'model/model.safetensors'], 1, 'float32 tensor "features"'],
      [['photos/2.png', '--features', 'maps.npy'], 1, '--no-pool'],
    ];
    for (const [args, expected, reason] of faults) {
      const { code, stdout, stderr } = await run(['similar', ...args]);
      expect(stderr).toContain(reason);
      expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
      expect(stderr).toMatch(/^mobilenet-v2: [^\n]+\n$/);
    }
  });

  it('says when features are of another model', async () => {
    await run(['features', 'photos', '--out', 'f.npy']);
    const header = readFileSync(`${folder}/f.npy`, 'latin1');
    const [, count, width] = /\((\d+), (\d+)\)/.exec(header)!;
    const shape = `(${count}, ${width}), }`;
    const half = `(${count}, ${Number(width) / 2}), }`.padEnd(shape.length);
    const bytes = Buffer.from(header.replace(shape, half), 'latin1');
    writeFileSync(`${folder}/f.npy`, bytes.subarray(0, bytes.length - (Number(count) * Number(width) * 4) / 2));
    const { code, stderr } = await run(['similar', '-', '--features', 'f.npy'], stripes(2, 40, 30));
    expect(code).toBe(1);
    expect(stderr).toContain('name the model they are of by --model');
  });
});
