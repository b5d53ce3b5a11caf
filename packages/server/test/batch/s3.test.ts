/** Buckets, on moto's server: pip install 'moto[server]'. MOTO_SERVER may name the program. */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/batch/errors.js';
import { run } from '../../src/batch/run.js';
import { Bucket } from '../../src/batch/stores/bucket.js';
import { openStore } from '../../src/batch/stores/store.js';
import { freePort, runOptions, smallPicture, talk, without } from './helpers.js';

const MOTO = process.env.MOTO_SERVER ?? 'moto_server';
const KEYS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_ENDPOINT_URL'];
const text = (value: string) => new TextEncoder().encode(value);

it('without keys is a usage error', () => {
  expect(() => new Bucket('photos', {})).toThrow(UsageError);
});

describe.skipIf(without(MOTO, 'tests of S3'))('a bucket', () => {
  let server: ChildProcess;
  let bucket: Bucket;
  const before = Object.fromEntries(KEYS.map((key) => [key, process.env[key]]));

  beforeAll(async () => {
    const port = await freePort();
    server = spawn(MOTO, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    const endpoint = `http://127.0.0.1:${port}`;
    Object.assign(process.env, Object.fromEntries(KEYS.map((key) => [key, 'test'])), { AWS_ENDPOINT_URL: endpoint });
    for (;;) {
      const made = await fetch(`${endpoint}/photos`, { method: 'PUT' }).catch(() => null);
      if (made?.ok) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    bucket = new Bucket('photos');
  });
  afterAll(() => {
    server.kill();
    for (const [key, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[key];
      else process.env[key] = value;
    }
  });

  it('keeps bytes under any key', async () => {
    for (const key of ['plain', "a b+c&d=e/é(1)!*'~.txt", '100%/x', 'ключ']) {
      await bucket.put(key, text(key));
      expect(new TextDecoder().decode((await bucket.get(key))!), key).toBe(key);
    }
    const keys: string[] = [];
    for await (const key of bucket.list('')) keys.push(key);
    expect(keys.sort()).toEqual(['100%/x', "a b+c&d=e/é(1)!*'~.txt", 'plain', 'ключ'].sort());
    for (const key of keys) await bucket.delete(key);
    expect(await bucket.get('plain')).toBeNull();
  });

  it('lists more than a page', async () => {
    const keys = Array.from({ length: 1005 }, (_, n) => `many/${String(n).padStart(4, '0')}`);
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(keys.slice(at, at + 50).map((key) => bucket.put(key, text('x'))));
    }
    const found: string[] = [];
    for await (const key of bucket.list('many/')) found.push(key);
    expect(found).toEqual(keys);
  });

  it('is written to once, of many that try', async () => {
    const store = openStore('s3://photos/once');
    const wins = await Promise.all(Array.from({ length: 8 }, (_, n) => store.create('shard', text(String(n)))));
    expect(wins.filter((won) => won)).toHaveLength(1);
    expect(new TextDecoder().decode((await store.read('shard'))!)).toBe(String(wins.indexOf(true)));
    await store.put('shard', text('other'));
    expect(new TextDecoder().decode((await store.read('shard'))!)).toBe('other');
    await store.remove('shard');
    expect(await store.list('')).toEqual([]);
  });

  it('says what a server refuses', async () => {
    await expect(new Bucket('none-such').put('x', text('x'))).rejects.toThrow(/s3:\/\/none-such\/x: 404 NoSuchBucket/);
  });

  it('has pictures, and gets results', async () => {
    const bytes = await smallPicture();
    for (const key of ['in/a.png', 'in/sub/b.png', 'in/c d.png', 'in-other/x.png']) await bucket.put(key, bytes);
    await bucket.put('in/bad.jpg', text('no picture'));
    const heard = talk();
    expect(await run(runOptions('s3://photos/in', 's3://photos/out/'), heard)).toBe(1);
    const store = openStore('s3://photos/out');
    const shards = (await store.list('shard-')).sort();
    expect(shards).toEqual(['shard-000000-of-000002.ndjson', 'shard-000001-of-000002.ndjson']);
    const lines: string[] = [];
    for (const shard of shards)
      lines.push(
        ...new TextDecoder()
          .decode((await store.read(shard))!)
          .trim()
          .split('\n'),
      );
    const files = lines.map((line) => JSON.parse(line).file);
    expect(files).toEqual(['a.png', 'bad.jpg', 'c d.png', 'sub/b.png']);
    expect(await store.list('running/')).toEqual([]);
    const again = talk();
    await run(runOptions('s3://photos/in/', 's3://photos/out'), again);
    expect(again.said[0]).toBe('4 pictures in 2 shards, 2 of them done already');
    const inside = 's3://photos/in/results';
    for (const said of ['4 pictures in 2 shards', '4 pictures in 2 shards, 2 of them done already']) {
      const heardInside = talk();
      await run(runOptions('s3://photos/in', inside), heardInside);
      await bucket.put('in/results/masks/x.png', bytes);
      expect(heardInside.said[0]).toBe(said);
    }
  });
});
