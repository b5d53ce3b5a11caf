import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ClassificationResult, load_image, pipeline } from '../../src/entries/main-node.js';
import { cli, ROOT, temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier, stripes, writeStripes } from '../helpers/tiny.js';

interface Line {
  file: string;
  labels: ClassificationResult[];
}

/** The same files and labels; scores but for what the order of summation does, which depends on the batch. */
function expectSame(records: Line[], expected: Line[]): void {
  expect(records.map(({ file }) => file)).toEqual(expected.map(({ file }) => file));
  for (const [n, { labels }] of records.entries()) {
    expect(labels.map(({ label }) => label)).toEqual(expected[n].labels.map(({ label }) => label));
    for (const [k, { score }] of labels.entries()) {
      expect(Math.abs(score - expected[n].labels[k].score)).toBeLessThan(1e-4);
    }
  }
}

const DOG = 'examples/dog.jpg';
const HUSKY = 'examples/husky.png';

describe('classify with the checkpoint that ships', () => {
  let expected: ClassificationResult[][];
  beforeAll(async () => {
    const classify = await pipeline('image-classification');
    expected = await classify([join(ROOT, DOG), join(ROOT, HUSKY)]);
  });

  it('prints labels and scores under the name of each picture', async () => {
    const { code, stdout, stderr } = await cli(['classify', DOG, HUSKY, '--top-k', '2']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(6);
    expect(lines[0]).toBe(DOG);
    expect(lines[1]).toMatch(/^ {2} *\d+\.\d % {2}\S/);
    expect(lines[1]).toContain(expected[0][0].label);
    expect(lines[3]).toBe(HUSKY);
    expect(lines[4]).toContain(expected[1][0].label);
  });

  it('prints one JSON array, or a line a picture, with what the pipeline gives', async () => {
    const records = [DOG, HUSKY].map((file, n) => ({ file, labels: expected[n] }));
    const array = await cli(['classify', DOG, HUSKY, '--json']);
    expectSame(JSON.parse(array.stdout), records);
    const lines = await cli(['classify', DOG, HUSKY, '--ndjson']);
    const parsed = lines.stdout.trimEnd().split('\n');
    expectSame(
      parsed.map((line) => JSON.parse(line)),
      records,
    );
    expect([array.code, lines.code]).toEqual([0, 0]);
    expect(array.stderr + lines.stderr).toBe('');
  });

  it('reads a picture from standard input', async () => {
    const stdin = readFileSync(join(ROOT, HUSKY));
    const { code, stdout } = await cli(['classify', '-', '--json'], { stdin });
    expect(code).toBe(0);
    expectSame(JSON.parse(stdout), [{ file: '-', labels: expected[1] }]);
  });
});

describe('classify with batches', () => {
  it('gives the same in the same order, whatever the sizes', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    mkdirSync(`${folder}/p`);
    for (let n = 0; n < 7; n++) writeStripes(`${folder}/p`, `${n}.png`, n, 20 + 7 * (n % 3), 40);
    const run = (size: string) =>
      cli(['classify', 'p', '--model', '.', '--batch-size', size, '--json'], { cwd: folder });
    const one = await run('1');
    const three = await run('3');
    expect(JSON.parse(one.stdout)).toHaveLength(7);
    expect(new Set(JSON.parse(one.stdout).map(({ labels }: { labels: unknown }) => JSON.stringify(labels))).size).toBe(
      7,
    );
    expectSame(JSON.parse(three.stdout), JSON.parse(one.stdout));
  });

  it.each(['wasm', 'js', 'reference'])('runs on %s', async (device) => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    const args = ['classify', '-', '--model', '.', '--device', device, '--json'];
    const { code, stdout } = await cli(args, { cwd: folder, stdin: stripes(1) });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)[0].labels).toHaveLength(3);
  });
});

describe('where compiling is refused', () => {
  it('text: pictures are decoded all the same', async () => {
    const args = ['classify', DOG, HUSKY, '--json'];
    const allowed = await cli(args);
    const refused = await cli(args, { node: ['--disallow-code-generation-from-strings'] });
    expect(refused).toEqual(allowed);
    expect(refused.code).toBe(0);
  });

  it('WebAssembly: device auto is js, and device wasm is refused with the way out', async () => {
    const node = ['--no-expose-wasm'];
    const args = ['classify', HUSKY, '--json', '--device'];
    const auto = await cli([...args, 'auto'], { node });
    expect(auto).toEqual(await cli([...args, 'js']));
    expect(auto.code).toBe(0);
    const { code, stderr } = await cli([...args, 'wasm'], { node });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^mobilenet-v2: --device wasm: .*--device auto, which falls back to js\n$/);
  });
});

const SHARED = join(ROOT, '../shared');
const GOLDENS = join(SHARED, 'goldens/README.json');

describe.skipIf(!existsSync(GOLDENS))(
  `classify against transformers${existsSync(GOLDENS) ? '' : ' (no ../shared)'}`,
  () => {
    it('gives the labels of the goldens, and the scores to 1e-4', async () => {
      const goldens: Record<string, ClassificationResult[]> = JSON.parse(readFileSync(GOLDENS, 'utf8')).classify;
      const images = ['cat.png', 'grace_hopper.png', 'dog_segmentation.png'];
      const args = images.map((image) => join(SHARED, 'images', image));
      const { stdout } = await cli([
        'classify',
        ...args,
        '--model',
        join(SHARED, 'weights/mobilenet_v2_1.0_224'),
        '--json',
      ]);
      expectSame(
        JSON.parse(stdout),
        images.map((image, n) => ({ file: args[n], labels: goldens[image] })),
      );
    });
  },
);

describe('classify --explain', () => {
  it('writes the picture with the map of the best label over it', async () => {
    const folder = temporaryFolder();
    const { code, stdout } = await cli(['classify', HUSKY, '--explain', `${folder}/deep/why.png`, '--top-k', '1']);
    expect(code).toBe(0);
    expect(stdout).toBe(
      `${HUSKY}\n   82.3 %  malamute, malemute, Alaskan malamute\n  why malamute, malemute, Alaskan malamute → ${join(folder, 'deep/why.png')}\n`,
    );
    const [before, after] = [HUSKY, `${folder}/deep/why.png`].map((path) => PNG.sync.read(readFileSync(path)));
    expect([after.width, after.height]).toEqual([before.width, before.height]);
    expect(before.data.equals(after.data)).toBe(false);
  });

  it('writes a file for each picture of a folder, for the label named, and leaves its own results out', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    mkdirSync(`${folder}/p`);
    for (const n of [0, 1]) writeStripes(`${folder}/p`, `${n}.png`, n, 40, 30);
    writeFileSync(`${folder}/p/broken.png`, 'no picture');
    const args = ['classify', 'p', '--model', '.', '--explain', 'p', '--label', 'bee', '--json', '--batch-size', '2'];
    for (const run of [1, 2]) {
      const { code, stdout } = await cli(args, { cwd: folder });
      expect(code).toBe(1);
      const records = JSON.parse(stdout);
      expect(records, `run ${run}`).toHaveLength(3);
      expect(records[0].explanation).toMatchObject({
        label: 'bee',
        overlay: 'p/0.why.png',
        map: [[expect.any(Number)]],
      });
      expect(records[2]).toHaveProperty('error.code', 'UNSUPPORTED');
    }
    const byNumber = await cli(
      ['classify', 'p/0.png', '--model', '.', '--explain', 'x.png', '--label', '1', '--json'],
      {
        cwd: folder,
      },
    );
    expect(JSON.parse(byNumber.stdout)[0].explanation.label).toBe('bee');
  });

  it.each(['jpg', 'jpeg', 'PNG'])('writes .%s', async (extension) => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    writeStripes(folder, 'x.png', 1, 40, 30);
    const args = ['classify', 'x.png', '--model', '.', '--explain', `why.${extension}`];
    expect((await cli(args, { cwd: folder })).code).toBe(0);
    const written = readFileSync(`${folder}/why.${extension}`);
    expect(written.subarray(0, 3)).toEqual(Buffer.from(extension === 'PNG' ? [0x89, 0x50, 0x4e] : [0xff, 0xd8, 0xff]));
    expect((await load_image(`${folder}/why.${extension}`)).size).toEqual([40, 30]);
  });

  it('refuses a kind of picture that it cannot write, and takes a folder of that name', async () => {
    const folder = temporaryFolder();
    await saveTinyClassifier(folder);
    writeStripes(folder, 'x.png', 1, 40, 30);
    const run = (why: string) => cli(['classify', 'x.png', '--model', '.', '--explain', why], { cwd: folder });
    const refused = await run('why.gif');
    expect([refused.code, refused.stdout]).toEqual([2, '']);
    expect(refused.stderr).toContain('.png, .jpg, .jpeg');
    expect((await run('v1.2/')).code).toBe(0);
    expect((await run('v1.2')).code).toBe(0);
    expect(existsSync(`${folder}/v1.2/x.why.png`)).toBe(true);
  });

  it('refuses one file for two pictures, a label alone, and an unknown label', async () => {
    const folder = temporaryFolder();
    const many = await cli(['classify', HUSKY, DOG, '--explain', `${folder}/why.png`]);
    expect([many.code, many.stderr]).toEqual([2, expect.stringContaining('name a folder')]);
    const alone = await cli(['classify', HUSKY, '--label', 'pug']);
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining('--explain')]);
    const none = await cli(['classify', HUSKY, '--explain', `${folder}/why.png`, '--label', 'cat']);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('"cat"')]);
    expect(existsSync(`${folder}/why.png`)).toBe(false);
  });
});
