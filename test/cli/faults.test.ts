/** Bad input, faults and interruptions: what may not stop the rest, and what must leave nothing behind. */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { cli, temporaryFolder } from '../helpers/cli.js';
import { saveTinyClassifier, saveTinySegmenter, stripes, writeStripes } from '../helpers/tiny.js';

interface Line {
  file: string;
  labels?: unknown[];
  error?: { code: string; message: string };
}

const linesOf = (stdout: string): Line[] =>
  stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

let folder: string;
let photos: string;
beforeEach(() => {
  folder = temporaryFolder();
  photos = `${folder}/photos`;
  mkdirSync(photos);
});

function writeMany(count: number): void {
  const bytes = stripes(1);
  for (let n = 0; n < count; n++) writeFileSync(`${photos}/${n}.png`, bytes);
}

describe('a picture that fails', () => {
  beforeEach(() => saveTinyClassifier(folder));

  it('is one error record among 999 results', async () => {
    writeMany(1000);
    writeFileSync(`${photos}/500.png`, stripes(1).subarray(0, 60));
    const { code, stdout } = await cli(['classify', photos, '--model', folder, '--json', '--batch-size', '8']);
    expect(code).toBe(1);
    const records: Line[] = JSON.parse(stdout);
    expect(records.filter(({ labels }) => labels?.length === 3)).toHaveLength(999);
    expect(records.map(({ file }) => file)).toEqual(Array.from({ length: 1000 }, (_, n) => `${photos}/${n}.png`));
    expect(records[500].error).toEqual({ code: expect.stringMatching(/^[A-Z_]+$/), message: expect.any(String) });
  });

  it('is named on standard error for people, without a stack trace unless they ask', async () => {
    writeFileSync(`${photos}/bad.png`, 'no picture');
    const args = ['classify', photos, `${photos}/none.png`, '--model', folder];
    const { code, stdout, stderr } = await cli(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[2]).toBe('mobilenet-v2: 2 of 2 pictures failed');
    for (const [n, name] of ['bad.png', 'none.png'].entries())
      expect(lines[n]).toMatch(new RegExp(`^mobilenet-v2: .*${name}`));
    expect((await cli([...args, '--debug'])).stderr).toMatch(/\n +at /);
  });

  it('may be a link to nowhere, unreadable, or gone; loops and odd names stop nothing', async () => {
    mkdirSync(`${photos}/sub`);
    symlinkSync('..', `${photos}/sub/loop`);
    symlinkSync('nowhere.png', `${photos}/sub/link.png`);
    writeStripes(`${photos}/sub`, 'two\nlines.png', 2);
    writeStripes(`${photos}/sub`, 'locked.png', 3);
    chmodSync(`${photos}/sub/locked.png`, 0);
    const readable = process.getuid?.() === 0; // nothing is locked for root
    writeStripes(photos, 'first.png', 4);
    writeStripes(photos, 'gone.png', 5);
    // All are listed before the first is read, and after it the command waits for standard input. One thread, as
    // others would read ahead.
    const args = ['classify', `${photos}/first.png`, '-', photos, '--model', folder, '--ndjson', '--threads', '1'];
    const watch = (_: string, child: ChildProcess) => {
      rmSync(`${photos}/gone.png`, { force: true });
      child.stdin!.end(stripes(6));
    };
    const { code, stdout } = await cli(args, { stdin: null, watch });
    const lines = linesOf(stdout);
    expect(code).toBe(1);
    expect(lines.map(({ file }) => file.replace(`${photos}/`, ''))).toEqual([
      'first.png',
      '-',
      'first.png',
      'gone.png',
      'sub/link.png',
      'sub/locked.png',
      'sub/two\nlines.png',
    ]);
    const failed = lines.flatMap(({ error }, n) => (error === undefined ? [] : [n]));
    expect(failed).toEqual(readable ? [3, 4] : [3, 4, 5]);
    const text = await cli(['classify', `${photos}/sub/two\nlines.png`, '--model', folder]);
    expect(text.stdout.split('\n')[0]).toBe(`${photos}/sub/two\\nlines.png`);
  });

  it('leaves features without a file when no picture works', async () => {
    writeFileSync(`${photos}/bad.png`, 'no picture');
    const { code } = await cli(['features', photos, '--model', folder, '--out', `${folder}/f.npy`]);
    expect(code).toBe(1);
    expect(readdirSync(folder).filter((name) => name.includes('f.npy'))).toEqual([]);
  });
});

describe('a damaged picture that can be read all the same', () => {
  it('has its result, and a warning on standard error, once, unless --quiet', async () => {
    await saveTinyClassifier(folder);
    for (let n = 0; n < 5; n++) writeFileSync(`${photos}/${n}.png`, stripes(1)); // enough for threads
    writeFileSync(`${photos}/2.png`, Buffer.concat([stripes(1), Buffer.from('surplus')]));
    for (const threads of ['1', '2']) {
      const args = ['classify', photos, '--model', folder, '--ndjson', '--threads', threads];
      const { code, stdout, stderr } = await cli(args);
      expect(code).toBe(0);
      expect(linesOf(stdout).filter(({ labels }) => labels?.length === 3)).toHaveLength(5);
      expect(stderr).toMatch(/^mobilenet-v2: \S+2\.png: read although [^\n]+\n$/);
      expect((await cli([...args, '--quiet'])).stderr).toBe('');
    }
  });
});

describe('globs', () => {
  it('match like a shell, and a file of that very name comes first', async () => {
    await saveTinyClassifier(folder);
    writeStripes(photos, 'a[1].png', 1);
    writeStripes(photos, 'a1.png', 2);
    mkdirSync(`${photos}/sub`);
    writeStripes(`${photos}/sub`, 'b.PNG', 3);
    symlinkSync('..', `${photos}/sub/loop`);
    writeFileSync(`${photos}/notes.txt`, '');
    const files = async (input: string) => {
      const { stdout } = await cli(['classify', input, '--model', '.', '--ndjson'], { cwd: folder });
      return linesOf(stdout).map(({ file }) => file);
    };
    expect(await files('photos/**')).toEqual(['photos/a[1].png', 'photos/a1.png', 'photos/sub/b.PNG']);
    expect(await files('photos/a[1].png')).toEqual(['photos/a[1].png']);
    expect(await files('photos/a[12].png')).toEqual(['photos/a1.png']);
    expect(await files(`${photos}/a*.png`)).toEqual([`${photos}/a[1].png`, `${photos}/a1.png`]);
  });
});

describe('wrong usage', () => {
  it.each([
    [[], 'Usage: mobilenet-v2'],
    [['clasify'], 'classify'],
    [['classify'], '--help'],
    [['classify', 'test/cli'], 'no pictures (.png, .jpg, .jpeg) in "test/cli"'],
    [['classify', 'examples/*.gif'], 'no pictures'],
    [['classify', 'a.png', '--top-k', '0'], 'whole number from 1'],
    [['classify', 'a.png', '--device', 'gpu'], 'Allowed choices are auto, '],
    [['classify', 'a.png', '--json', '--ndjson'], 'cannot be used'],
    [['classify', '-', '-'], 'can be given once'],
    [['similar', '-', '-'], '- stands for standard input and can be given once'],
    [['classify', 'a.png', '--wrong'], "unknown option '--wrong'"],
    [['segment', 'a.png', '--model', 'x', '--out', 'y', '--opacity', '1.5'], 'from 0 to 1'],
    [['inspect', '--size', '0x5'], '224x320'],
    [['plan', '--hidden-states', '9,16'], '9,12'],
    [['inspect', 'a', '--model', 'b'], 'once'],
  ])('%j exits 2 and says why', async (args, reason) => {
    const { code, stdout, stderr } = await cli(args);
    expect(stderr).toContain(reason);
    expect(stderr).not.toMatch(/\n +at /);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it.each([
    [['classify', 'examples/husky.png', '--model', 'no/such/model']],
    [['inspect', 'no/such/model']],
    [['features', 'examples/husky.png', '--out', 'no/such/folder/f.npy']],
    [['plan', 'src']],
  ])('%j exits 1 with one line', async (args) => {
    const { code, stdout, stderr } = await cli(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^mobilenet-v2: .+\n$/);
  });

  it.each<[string, string | Uint8Array, RegExp]>([
    ['model.safetensors', new Uint8Array(7), /model\.safetensors: .*7 bytes/],
    ['model.safetensors', Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 123, 125), /model\.safetensors/],
    ['config.json', '{"model_type":"vit"}', /model_type.*vit/],
    ['config.json', '{"depth_multiplier":0}', /depth_multiplier.*config\.json|config\.json.*depth_multiplier/],
    ['preprocessor_config.json', '{"image_std":[1,0,1]}', /image_std/],
  ])('a model with a bad %s exits 1 with one line', async (file, content, reason) => {
    await saveTinyClassifier(folder);
    writeFileSync(`${folder}/${file}`, content);
    const { code, stdout, stderr } = await cli(['classify', 'examples/husky.png', '--model', folder, '--json']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^mobilenet-v2: [^\n]+\n$/);
    expect(stderr).toMatch(reason);
  });

  it('help and version go to standard output', async () => {
    for (const args of [['--help'], ['classify', '--help'], ['help', 'segment']]) {
      const { code, stdout, stderr } = await cli(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain('Examples:');
    }
    expect((await cli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('an end before the end', () => {
  /** After the pictures the command waits for standard input, so that it cannot come to its end by itself. */
  const interrupted = (args: string[]) =>
    cli([...args, '-'], {
      cwd: folder,
      stdin: null,
      watch: (stdout, child) => {
        if (stdout.includes('"file"') && !child.killed) child.kill('SIGINT');
      },
    });

  it('SIGINT leaves whole lines, a closed array and exit code 130', async () => {
    await saveTinyClassifier(`${folder}/model`);
    writeMany(100);
    const lines = await interrupted(['classify', 'photos', '--model', 'model', '--ndjson']);
    const array = await interrupted(['classify', 'photos', '--model', 'model', '--json']);
    for (const { code, stderr } of [lines, array]) expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    for (const records of [linesOf(lines.stdout), JSON.parse(array.stdout)]) {
      expect(records.length).toBeGreaterThan(0);
      expect(records.length).toBeLessThanOrEqual(100);
    }
  });

  it('SIGINT leaves no temporary files', async () => {
    writeMany(30);
    await saveTinySegmenter(`${folder}/model`);
    const segmented = await interrupted(['segment', 'photos', '--model', 'model', '--out', 'masks', '--ndjson']);
    expect(segmented.code).toBe(130);
    const written = linesOf(segmented.stdout).length;
    expect(written).toBeGreaterThan(0);
    const masks = readdirSync(`${folder}/masks`);
    expect(masks.filter((name) => !/^\d+\.(mask|overlay)\.png$/.test(name))).toEqual([]);
    expect(masks.length).toBeGreaterThanOrEqual(2 * written);

    await saveTinyClassifier(`${folder}/model`);
    const extracted = await interrupted(['features', 'photos', '--model', 'model', '--out', 'f.npy', '--ndjson']);
    expect(extracted.code).toBe(130);
    expect(readdirSync(folder).sort()).toEqual(['masks', 'model', 'photos']);
  });

  it('a closed pipe ends it quietly', async () => {
    await saveTinyClassifier(folder);
    writeMany(500);
    const watch = (_: string, child: ChildProcess) => child.stdout!.destroy();
    const { code, stderr } = await cli(['classify', photos, '--model', folder, '--ndjson'], { watch });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});
