/** Plans, and which part of one a process does. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/batch/errors.js';
import { openPictures } from '../../src/batch/pictures.js';
import { makePlan, missingShards, picturesOf, readPlan, settlePlan, shardName } from '../../src/batch/plan.js';
import { shareOf } from '../../src/batch/share.js';
import { openStore } from '../../src/batch/stores/store.js';
import { planOptions, temporaryFolder } from './helpers.js';

const folder = temporaryFolder();
const options = planOptions({ input: '/pictures' });
const names = ['a.png', 'b.png', 'c.png', 'd.png', 'e.png'];

describe('a plan', () => {
  it('cuts pictures into shards with names that do not change', () => {
    const plan = makePlan(options, names);
    expect(plan.shards).toBe(3);
    expect([0, 1, 2].map((shard) => picturesOf(plan, shard))).toEqual([
      ['a.png', 'b.png'],
      ['c.png', 'd.png'],
      ['e.png'],
    ]);
    expect(shardName(plan, 2)).toBe('shard-000002-of-000003.ndjson');
  });

  it('has a hash of the list and of every option', () => {
    const { hash } = makePlan(options, names);
    expect(makePlan(options, [...names]).hash).toBe(hash);
    const others = [
      makePlan(options, names.slice(1)),
      makePlan(options, [...names].reverse()),
      ...[
        { input: '/other' },
        { task: 'features' as const },
        { model: 'x' },
        { format: 'csv' as const },
        { top_k: 3 },
        { threshold: 0.5 },
        { shard_size: 3 },
      ].map((own) => makePlan({ ...options, ...own }, names)),
    ];
    expect(new Set([hash, ...others.map((plan) => plan.hash)]).size).toBe(others.length + 1);
  });

  it('is written once, and another one is refused by what is different', async () => {
    const store = openStore(join(folder, 'plan'));
    const plan = makePlan(options, names);
    await settlePlan(store, plan);
    await settlePlan(store, plan);
    expect(await readPlan(store)).toEqual(plan);
    const other = (own: object, list = names) => settlePlan(store, makePlan({ ...options, ...own }, list));
    await expect(other({ top_k: 3 })).rejects.toThrow('has --top-k 2, here it is 3; go on with 2, or name another');
    await expect(other({ model: 'mine' })).rejects.toThrow('has --model left out, here it is mine');
    await expect(other({ task: 'segment' })).rejects.toBeInstanceOf(UsageError);
    await expect(other({}, ['b.png', 'f.png'])).rejects.toThrow('1 new, the first f.png; 4 gone, the first a.png');
    await expect(other({}, [...names].reverse())).rejects.toThrow('another order');
  });

  it('is refused where somebody changed it', async () => {
    const store = openStore(join(folder, 'changed'));
    await store.put('plan.json', new TextEncoder().encode(JSON.stringify({ ...makePlan(options, names), top_k: 9 })));
    await expect(readPlan(store)).rejects.toThrow('was changed since it was written');
    await store.put('plan.json', new TextEncoder().encode('{'));
    await expect(readPlan(store)).rejects.toThrow('is not the plan of a run');
  });

  it('knows what is missing', async () => {
    const store = openStore(join(folder, 'missing'));
    const plan = makePlan(options, names);
    expect(await missingShards(store, plan)).toEqual([0, 1, 2]);
    await store.create(shardName(plan, 1), new Uint8Array(1));
    expect(await missingShards(store, plan)).toEqual([0, 2]);
  });
});

describe('a list of pictures', () => {
  it('is in the order of bytes, whatever the system lists first, and follows links but once', async () => {
    const own = join(folder, 'list');
    mkdirSync(join(own, 'b'), { recursive: true });
    mkdirSync(join(own, '.hidden'));
    for (const name of ['b/x.JPG', 'a.png', 'B.png', 'é.png', 'c.txt', '.hidden/y.png', 'z.jpeg']) {
      writeFileSync(join(own, name), '');
    }
    symlinkSync('..', join(own, 'b/up'));
    const pictures = await openPictures(own);
    expect(await pictures.list('')).toEqual(['B.png', 'a.png', 'b/x.JPG', 'z.jpeg', 'é.png']);
    expect(await pictures.list(join(own, 'b'))).toEqual(['B.png', 'a.png', 'z.jpeg', 'é.png']);
  });

  it('comes from a file as it stands there, with lines or with NUL', async () => {
    const list = join(folder, 'list.txt');
    writeFileSync(list, 'z.png\r\na.png\n\ns3://photos/x.png\n');
    expect(await (await openPictures(list)).list('')).toEqual(['z.png', 'a.png', 's3://photos/x.png']);
    writeFileSync(list, 'a\nb.png\0c.png\0');
    expect(await (await openPictures(list)).list('')).toEqual(['a\nb.png', 'c.png']);
    writeFileSync(list, 'https://example.com/x.png\n');
    await expect((await openPictures(list)).list('')).rejects.toThrow('a list names files and s3://');
  });

  it('of what is not there is a usage error', async () => {
    await expect(openPictures(join(folder, 'none'))).rejects.toBeInstanceOf(UsageError);
    await expect(openPictures('s3://X')).rejects.toThrow('expected s3://bucket');
  });
});

describe('the share of a process', () => {
  it('comes from --shard, which counts from 1', () => {
    expect(shareOf('1/8', undefined, {})).toEqual({ index: 0, count: 8 });
    expect(shareOf('8/8', undefined, { JOB_COMPLETION_INDEX: '3' })).toEqual({ index: 7, count: 8 });
    for (const wrong of ['0/8', '9/8', '1', '1/0', 'a/b', '-1/8']) {
      expect(() => shareOf(wrong, undefined, {}), wrong).toThrow(UsageError);
    }
  });

  it('comes from an Indexed Job of Kubernetes and from an array of Slurm', () => {
    expect(shareOf(undefined, '4', { JOB_COMPLETION_INDEX: '3' })).toEqual({ index: 3, count: 4 });
    const pod = { JOB_COMPLETION_INDEX: '0', JOB_COMPLETION_COUNT: '2' };
    expect(shareOf(undefined, undefined, pod)).toEqual({ index: 0, count: 2 });
    expect(() => shareOf(undefined, undefined, { JOB_COMPLETION_INDEX: '0' })).toThrow('--shard-count');
    const slurm = { SLURM_ARRAY_TASK_ID: '7', SLURM_ARRAY_TASK_MIN: '1', SLURM_ARRAY_TASK_STEP: '3' };
    expect(shareOf(undefined, undefined, { ...slurm, SLURM_ARRAY_TASK_COUNT: '4' })).toEqual({ index: 2, count: 4 });
    expect(() => shareOf(undefined, undefined, slurm)).toThrow('SLURM_ARRAY_TASK_COUNT');
    expect(shareOf(undefined, undefined, {})).toBeNull();
  });
});
