import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { classColor } from '../../src/processors/colorize.js';
import { cli, ROOT, temporaryFolder } from '../helpers/cli.js';
import { DOGS } from '../helpers/models.js';
import { saveTinySegmenter, writeStripes } from '../helpers/tiny.js';

async function folderWithModel(): Promise<string> {
  const folder = temporaryFolder();
  await saveTinySegmenter(`${folder}/model`);
  return folder;
}

const pixelsOf = (path: string): PNG => PNG.sync.read(readFileSync(path));

/** Class 0 is the background of all models here. */
const colorOf = (id: number) => (id === 0 ? [0, 0, 0] : classColor(id));

describe('segment', () => {
  it('writes mask and overlay, and says which class has how much of the picture', async () => {
    const folder = await folderWithModel();
    writeStripes(folder, 'a.png', 1, 50, 30);
    const args = ['segment', 'a.png', '--model', 'model', '--out', 'out/deep'];
    const { code, stdout, stderr } = await cli([...args, '--json'], { cwd: folder });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const [record] = JSON.parse(stdout);
    expect(record).toMatchObject({ file: 'a.png', width: 50, height: 30 });
    expect([record.mask, record.overlay]).toEqual(['out/deep/a.mask.png', 'out/deep/a.overlay.png']);
    expect(readdirSync(`${folder}/out/deep`)).toEqual(['a.mask.png', 'a.overlay.png']);

    const mask = pixelsOf(`${folder}/${record.mask}`);
    const bytes = readFileSync(`${folder}/${record.mask}`);
    expect([bytes[24], bytes[25]]).toEqual([8, 3]); // 8 bits, palette
    let total = 0;
    for (const { id, label, pixels, share } of record.classes) {
      const [r, g, b] = colorOf(id);
      let count = 0;
      for (let at = 0; at < mask.data.length; at += 4) {
        if (mask.data[at] === r && mask.data[at + 1] === g && mask.data[at + 2] === b) count++;
      }
      expect(count, label).toBe(pixels);
      expect(share).toBe(pixels / 1500);
      total += pixels;
    }
    expect(total).toBe(1500);

    const text = await cli(args, { cwd: folder });
    expect(text.stdout.split('\n')[0]).toBe('a.png → out/deep/a.mask.png, out/deep/a.overlay.png');
    expect(text.stdout.split('\n')[1]).toMatch(/^ +\d+\.\d % {2}(background|bee|cat)$/);
    expect(text.stderr).toBe('');
  });

  it('lists classes from a share on, and writes masks alone if asked', async () => {
    const folder = await folderWithModel();
    writeStripes(folder, 'a.png', 1, 50, 30);
    const args = ['segment', 'a.png', '--model', 'model', '--json', '--no-overlay', '--min-share'];
    const [all, some] = await Promise.all(
      ['0', '40%'].map(async (threshold) => JSON.parse((await cli([...args, threshold], { cwd: folder })).stdout)[0]),
    );
    expect(all.classes.length).toBeGreaterThan(1);
    expect(some.classes).toEqual(all.classes.filter(({ share }: { share: number }) => share >= 0.4));
    expect(some.classes.length).toBeLessThan(all.classes.length);
    expect(readdirSync(`${folder}/masks`)).toEqual(['a.mask.png']);
    expect(all).not.toHaveProperty('overlay');
  });

  it('leaves pixels without a class that no class is certain of', async () => {
    const folder = await folderWithModel();
    writeStripes(folder, 'a.png', 1, 50, 30);
    const args = ['segment', 'a.png', '--model', 'model', '--json', '--threshold'];
    const shares = async (threshold: string): Promise<number> => {
      const [{ classes }] = JSON.parse((await cli([...args, threshold], { cwd: folder })).stdout);
      return classes.reduce((sum: number, { share }: { share: number }) => sum + share, 0);
    };
    expect(await shares('0')).toBeCloseTo(1, 6);
    expect(await shares('1')).toBe(0);
    const { data } = pixelsOf(`${folder}/masks/a.mask.png`);
    const colors = new Set(Array.from({ length: 1500 }, (_, n) => data.subarray(4 * n, 4 * n + 4).join()));
    expect(colors.size).toBe(1);
  });

  it('gives colliding names numbers, and a rerun the same files', async () => {
    const folder = await folderWithModel();
    for (const sub of ['a', 'b']) mkdirSync(`${folder}/${sub}`);
    writeStripes(folder, 'a/cat.png', 1);
    writeStripes(folder, 'b/Cat.png', 2);
    writeStripes(folder, 'b/cat-2.png', 3);
    const args = ['segment', 'a', 'b', 'a/cat.png', '--model', 'model', '--out', 'out', '--json'];
    const first = await cli(args, { cwd: folder });
    const masks = JSON.parse(first.stdout).map(({ file, mask }: { file: string; mask: string }) => [file, mask]);
    expect(masks).toEqual([
      ['a/cat.png', 'out/cat.mask.png'],
      ['b/cat-2.png', 'out/cat-2.mask.png'],
      ['b/Cat.png', 'out/Cat-3.mask.png'],
      ['a/cat.png', 'out/cat.mask.png'],
    ]);
    const files = readdirSync(`${folder}/out`);
    const again = await cli(args, { cwd: folder });
    expect(again).toEqual(first);
    expect(readdirSync(`${folder}/out`)).toEqual(files);
  });

  it('writes beside the pictures and does not take its own results for pictures', async () => {
    const folder = await folderWithModel();
    mkdirSync(`${folder}/p`);
    writeStripes(folder, 'p/x.png', 1);
    const args = ['segment', 'p', '--model', 'model', '--out', 'p', '--json'];
    await cli(args, { cwd: folder });
    const { code, stdout, stderr } = await cli(args, { cwd: folder });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveLength(1);
    expect(stderr).toContain('p/x.mask.png: left out');
    expect(readdirSync(`${folder}/p`)).toEqual(['x.mask.png', 'x.overlay.png', 'x.png']);
  });

  it("segments the whole picture, and Hugging Face's centre crop if asked", async () => {
    const folder = await folderWithModel();
    writeStripes(folder, 'wide.png', 4, 96, 32);
    const run = async (...flags: string[]) => {
      const args = ['segment', 'wide.png', '--model', 'model', '--out', 'out', ...flags];
      const { stderr } = await cli(args, { cwd: folder });
      return { stderr, mask: pixelsOf(`${folder}/out/wide.mask.png`) };
    };
    const whole = await run();
    expect([whole.mask.width, whole.mask.height, whole.stderr]).toEqual([96, 32, '']);
    const old = await run('--whole-image'); // its flag when it was no default
    expect([old.mask.data.equals(whole.mask.data), old.stderr]).toEqual([true, '']);
    const cropped = await run('--center-crop');
    expect(whole.mask.data.equals(cropped.mask.data)).toBe(false);
    expect(cropped.stderr).toMatch(/^mobilenet-v2: 1 picture cut to the centre.*--center-crop.*\n$/);
    expect((await run('--center-crop', '--quiet')).stderr).toBe('');
  });

  it('refuses --out whose folder was forgotten, and writes nothing', async () => {
    const cwd = temporaryFolder();
    const { code, stderr } = await cli(['segment', 'a.png', '--model', 'm', '--out', '--json'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain('this looks like an option; ./--json is a path');
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('refuses --out that is the name of a picture, and takes it as a folder with a slash', async () => {
    const cwd = temporaryFolder();
    const run = (out: string) =>
      cli(['segment', join(ROOT, 'examples/cat.jpg'), '--out', out, '--no-overlay'], { cwd });
    const { code, stdout, stderr } = await run('cat.png');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('--out: cat.png is the name of a picture');
    expect(stderr).toContain('write cat.png/ if it is to be a folder');
    expect(readdirSync(cwd)).toEqual([]);
    expect((await run('cat.png/')).code).toBe(0);
    expect(readdirSync(join(cwd, 'cat.png'))).toEqual(['cat.mask.png']);
  });

  it('refuses a model that does not segment, and classify one that does; one line says what it is for', async () => {
    const out = temporaryFolder();
    const segment = await cli(['segment', 'examples/husky.png', '--model', DOGS, '--out', `${out}/masks`]);
    expect({ ...segment, stderr: '' }).toEqual({ code: 1, stdout: '', stderr: '' });
    expect(segment.stderr).toMatch(/^mobilenet-v2: \S+dogs\/model\.safetensors: .*it is for image-classification.*\n$/);
    expect(readdirSync(out)).toEqual([]);

    const folder = await folderWithModel();
    const classify = await cli(['classify', join(ROOT, 'examples/husky.png'), '--model', 'model'], { cwd: folder });
    expect({ ...classify, stderr: '' }).toEqual({ code: 1, stdout: '', stderr: '' });
    expect(classify.stderr).toMatch(/^mobilenet-v2: model\/model\.safetensors: .*it is for image-segmentation.*\n$/);
  });
});

const SHARED = join(ROOT, '../shared');
const MODELS = ['deeplabv3_mobilenet_v2_1.0_513', 'deeplabv3_mobilenet_v2_0.5_513', 'deeplabv3_mobilenet_v2_0.5_257'];
const IMAGES = ['bird_segmentation', 'dog_segmentation', 'grace_hopper'];
const found = existsSync(`${SHARED}/goldens`);

describe.skipIf(!found)(`segment against transformers${found ? '' : ' (no ../shared)'}`, () => {
  it.each(MODELS)('%s: the masks of the goldens', async (model) => {
    const out = temporaryFolder();
    const pictures = IMAGES.map((image) => `${SHARED}/images/${image}.png`);
    const { code } = await cli([
      'segment',
      ...pictures,
      '--model',
      `${SHARED}/weights/${model}`,
      '--out',
      out,
      '--center-crop',
      '--quiet',
    ]);
    expect(code).toBe(0);
    for (const image of IMAGES) {
      const mask = pixelsOf(`${out}/${image}.mask.png`);
      const golden = pixelsOf(`${SHARED}/goldens/segment_${model}_${image}.png`); // grey: the class is the value
      let same = 0;
      for (let at = 0; at < mask.data.length; at += 4) {
        const id = golden.data[at];
        if (colorOf(id).every((part, c) => mask.data[at + c] === part)) same++;
      }
      expect(same / (mask.width * mask.height), image).toBeGreaterThanOrEqual(0.9999);
    }
  });
});
