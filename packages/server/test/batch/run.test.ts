/** Runs over a folder, with the workers that a server has. */
import { readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load_image } from 'mobilenet-v2';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/batch/run.js';
import { describeStatus, statusOf } from '../../src/batch/status.js';
import {
  batch,
  deadlyProgram,
  EXAMPLES,
  folderOfPictures,
  markedPicture,
  recordsIn,
  runOptions,
  shardsIn,
  smallPicture,
  talk,
  temporaryFolder,
} from './helpers.js';

const folder = temporaryFolder();
const pictures = await folderOfPictures(join(folder, 'pictures'), 4);
const NAMES = ['a.png', 'bad.jpg', 'c.png', 'd.png', 'sub/b.png'];

describe('a run', () => {
  const out = join(folder, 'out');

  it('gives a record for every picture, also for one that is none, and says so by its exit code', async () => {
    const heard = talk();
    expect(await run(runOptions(pictures, out), heard)).toBe(1);
    expect(shardsIn(out)).toEqual([0, 1, 2].map((n) => `shard-00000${n}-of-000003.ndjson`));
    const records = recordsIn(out);
    expect(records.map(({ file }) => file)).toEqual(NAMES);
    const [{ labels }] = records as unknown as [{ labels: { label: string; score: number }[] }];
    expect(labels).toHaveLength(2);
    expect(labels[0].label).toMatch(/espresso|cup|consomme|eggnog/);
    expect(records[1]).toEqual({
      file: 'bad.jpg',
      error: { code: 'UNSUPPORTED', message: 'bad.jpg: expected a PNG or JPEG picture, got text' },
    });
    expect(heard.said).toEqual(['5 pictures in 3 shards', expect.stringContaining('1 of 5 pictures failed, see ')]);
    expect(readFileSync(join(out, 'failed/shard-000000-of-000003.ndjson'), 'utf8')).toMatch(/^\{"file":"bad.jpg".*\n$/);
    expect(readdirSync(join(out, 'running'))).toEqual([]);
  });

  it('does again what is missing, and nothing else', async () => {
    const [first, second] = shardsIn(out).map((file) => join(out, file));
    const before = readFileSync(second, 'utf8');
    unlinkSync(second);
    writeFileSync(first, 'as it was\n');
    const heard = talk();
    expect(await run(runOptions(pictures, out), heard)).toBe(1);
    expect(heard.said[0]).toBe('5 pictures in 3 shards, 2 of them done already');
    expect(readFileSync(second, 'utf8')).toBe(before);
    expect(readFileSync(first, 'utf8')).toBe('as it was\n');
  });

  it('says how far it is', async () => {
    unlinkSync(join(out, shardsIn(out)[2]));
    const status = await statusOf(out);
    expect(status).toMatchObject({ pictures: 5, pictures_done: 4, pictures_failed: 1, shards: 3, shards_done: 2 });
    expect(describeStatus(status)).toContain('4 of 5 pictures done, 1 of them failed');
    await expect(statusOf(pictures)).rejects.toThrow('no run has begun there');
  });

  it('has no failures any more when the picture is mended and its shard is done again', async () => {
    const own = join(folder, 'mended');
    const input = await folderOfPictures(join(folder, 'to-mend'), 1);
    expect(await run(runOptions(input, own), talk())).toBe(1);
    writeFileSync(join(input, 'bad.jpg'), await smallPicture());
    rmSync(join(own, shardsIn(own)[0]));
    expect(await run(runOptions(input, own), talk())).toBe(0);
    expect(recordsIn(own).every(({ error }) => error === undefined)).toBe(true);
  });

  it('is the same in parts', async () => {
    const parts = join(folder, 'parts');
    for (const index of [0, 1]) {
      const code = await run(runOptions(pictures, parts, { share: { index, count: 2 } }), talk());
      expect(code, 'bad.jpg is in the first part').toBe(index === 0 ? 1 : 0);
      expect(shardsIn(parts)).toHaveLength(index === 0 ? 2 : 3);
    }
    expect(recordsIn(parts).map(({ file }) => file)).toEqual(NAMES);
  });

  it('reads a list, with a file that is not there', async () => {
    const list = join(folder, 'list.txt');
    writeFileSync(list, `${join(EXAMPLES, 'dog.jpg')}\n${join(folder, 'none.png')}\n${folder}\n`);
    const own = join(folder, 'listed');
    expect(await run(runOptions(list, own, { top_k: 1 }), talk())).toBe(1);
    const [dog, none, directory] = recordsIn(own);
    expect(dog.labels).toMatchObject([{ label: 'malamute, malemute, Alaskan malamute' }]);
    expect(none.error).toEqual({ code: 'NOT_FOUND', message: `${join(folder, 'none.png')}: no such file` });
    expect(directory.error).toEqual({ code: 'IO', message: `${folder}: is a folder` });
  });
});

describe('other tasks', () => {
  it('gives features, the same as the library', async () => {
    const out = join(folder, 'features');
    await run(runOptions(pictures, out, { task: 'features' }), talk());
    const [{ dims, features }] = recordsIn(out) as unknown as [{ dims: number[]; features: number[] }];
    expect(dims).toEqual([1280]);
    const { pipeline } = await import('mobilenet-v2');
    const extract = await pipeline('image-feature-extraction');
    const { data } = await extract(await smallPicture());
    expect(Math.max(...features.map((value, n) => Math.abs(value - data[n])))).toBeLessThan(1e-5);
  });

  it('gives a map of classes for each picture, with their shares', async () => {
    const list = join(folder, 'one.txt');
    writeFileSync(list, `${join(EXAMPLES, 'cat.jpg')}\n`);
    const out = join(folder, 'segmented');
    expect(await run(runOptions(list, out, { task: 'segment' }), talk())).toBe(0);
    const [record] = recordsIn(out) as unknown as [
      { width: number; height: number; mask: string; classes: { id: number; label: string; pixels: number }[] },
    ];
    expect(record.mask).toBe('masks/shard-000000-of-000001/00-cat.jpg.png');
    const cat = record.classes.find(({ label }) => label === 'cat')!;
    expect(cat.id).toBe(8);
    // What the palette makes of it, read as any other picture: as many pixels in the cat's colour.
    const map = (await load_image(join(out, record.mask))).rgb();
    expect([map.width, map.height]).toEqual([record.width, record.height]);
    const bytes = readFileSync(join(out, record.mask));
    const at = bytes.indexOf('PLTE') + 4 + 3 * cat.id;
    const color = [...bytes.subarray(at, at + 3)];
    let pixels = 0;
    for (let i = 0; i < map.data.length; i += 3) if (color.every((value, c) => map.data[i + c] === value)) pixels++;
    expect(pixels).toBe(cat.pixels);
  });
});

describe('a picture that kills', () => {
  it('the worker twice gets a record that says CRASHED, and all others theirs', async () => {
    const input = await folderOfPictures(join(folder, 'killing'), 4);
    writeFileSync(join(input, 'c.png'), await markedPicture());
    const program = deadlyProgram(join(folder, 'killer'), 'process.exit(7)');
    const out = join(folder, 'crashed');
    const args = ['run', input, '--task', 'classify', '--out', out, '--workers', '2', '--shard-size', '4'];
    const { code, errors } = await batch(args, { program }).ended;
    expect(errors).toContain('2 of 5 pictures failed');
    expect(code).toBe(1);
    const records = recordsIn(out);
    expect(records.map(({ file }) => file)).toEqual(NAMES);
    expect(records[2].error).toEqual({
      code: 'CRASHED',
      message: 'c.png: the worker that worked on this picture died, 2 times',
    });
    expect(records.filter(({ labels }) => labels !== undefined)).toHaveLength(3);
  });

  it('the whole process is left out in the end', async () => {
    const input = join(folder, 'killing');
    const program = deadlyProgram(join(folder, 'killer-of-all'), "process.kill(process.pid, 'SIGKILL')");
    const out = join(folder, 'killed');
    const args = ['run', input, '--task', 'classify', '--out', out, '--workers', '1', '--shard-size', '5'];
    let tries = 0;
    for (; tries < 10; tries++) {
      const { signal } = await batch(args, { program }).ended;
      if (signal !== 'SIGKILL') break;
    }
    expect(tries, 'two with all pictures, three with this one alone').toBe(5);
    expect(recordsIn(out)[2].error).toMatchObject({ code: 'CRASHED' });
    expect(recordsIn(out).filter(({ labels }) => labels !== undefined)).toHaveLength(3);
  });
});

describe('the command line', () => {
  it('refuses what cannot be with exit code 2', async () => {
    const wrong: [string[], string][] = [
      [['run', pictures, '--task', 'classify'], "required option '-o, --out <dir>'"],
      [['run', pictures, '--task', 'paint', '--out', folder], 'Allowed choices are classify, segment, features'],
      [['run', join(folder, 'none'), '--task', 'classify', '--out', join(folder, 'x')], 'no such file or folder'],
      [['run', pictures, '--task', 'classify', '--out', join(folder, 'x'), '--shard', '0/3'], 'number 0 of 3'],
      [['run', pictures, '--task', 'classify', '--out', join(folder, 'out'), '--top-k', '9'], 'has --top-k 5'],
      [['status', join(folder, 'none')], 'has no plan.json'],
    ];
    rmSync(join(folder, 'out'), { recursive: true });
    await run(runOptions(pictures, join(folder, 'out'), { top_k: 5, shard_size: 64 }), talk());
    const ended = await Promise.all(wrong.map(([args]) => batch(args).ended));
    for (const [n, { code, errors }] of ended.entries()) {
      expect(errors).toContain(wrong[n][1]);
      expect(code, errors).toBe(2);
    }
  });

  it('ends after the shards under way when it is asked to, and goes on later', async () => {
    const input = await folderOfPictures(join(folder, 'many'), 119);
    const out = join(folder, 'stopped');
    const args = ['run', input, '--task', 'classify', '--out', out, '--workers', '1', '--shard-size', '1'];
    const running = batch(args);
    while (!readable(out)) await new Promise((resolve) => setTimeout(resolve, 10));
    running.child.kill('SIGTERM');
    const { code, errors } = await running.ended;
    expect(errors).toContain('SIGTERM: the shards under way are finished');
    expect(code).toBe(143);
    const done = shardsIn(out).length;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(120);
    expect(readdirSync(join(out, 'running'))).toEqual([]);
    expect((await batch(args).ended).code).toBe(1);
    expect(recordsIn(out)).toHaveLength(120);
  });
});

/** Whether a first shard is there. */
function readable(out: string): boolean {
  try {
    return shardsIn(out).length > 0;
  } catch {
    return false;
  }
}
