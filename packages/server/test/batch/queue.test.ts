/** Runs that several processes share by a queue, on a redis-server of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBoard } from '../../src/batch/board.js';
import { type QueueOptions, queueCounts, runWithQueue, work } from '../../src/batch/queue.js';
import {
  folderOfPictures,
  freePort,
  type Heard,
  recordsIn,
  runOptions,
  shardsIn,
  talk,
  temporaryFolder,
  without,
} from './helpers.js';

describe.skipIf(without('redis-server', 'tests of the queue'))('a queue', () => {
  const folder = temporaryFolder();
  let broker: ChildProcess;
  let queue: QueueOptions;
  let pictures: string;
  let connection: { host: string; port: number };

  beforeAll(async () => {
    const port = await freePort();
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--maxmemory-policy', 'noeviction'];
    broker = spawn('redis-server', args, { stdio: 'ignore' });
    queue = { url: `redis://127.0.0.1:${port}`, name: 'shards', lock: 2 };
    connection = { host: '127.0.0.1', port };
    pictures = await folderOfPictures(join(folder, 'pictures'), 6);
  });
  afterAll(() => {
    broker.kill();
  });

  /** A worker, until the returned function is called. */
  const worker = (own: Heard = talk()) => {
    const ended = work({ workers: 1, quiet: true }, queue, own);
    return async () => {
      own.stop.request();
      await ended;
    };
  };

  it('gives every shard to one worker, and ends when the last is there', async () => {
    const out = join(folder, 'out');
    const stopWorker = worker();
    expect(await runWithQueue({ ...runOptions(pictures, out), work: true }, queue, talk())).toBe(1);
    await stopWorker();
    expect(recordsIn(out).map(({ file }) => file)).toEqual([
      'a.png',
      'bad.jpg',
      'c.png',
      'd.png',
      'e.png',
      'f.png',
      'sub/b.png',
    ]);
    expect(readdirSync(join(out, 'running'))).toEqual([]);
    expect(await queueCounts(queue, talk())).toEqual({ wait: 0, active: 0, delayed: 0, failed: 0 });
  });

  it('takes a shard once, however often it is given, and skips one that is there', async () => {
    const out = join(folder, 'twice');
    const options = { ...runOptions(pictures, out), work: false };
    for (let n = 0; n < 3; n++) expect(await runWithQueue(options, queue, talk())).toBe(0);
    expect((await queueCounts(queue, talk())).wait).toBe(4);
    expect(await work({ workers: 1, untilEmpty: true }, queue, talk())).toBe(0);
    expect(shardsIn(out)).toHaveLength(4);

    unlinkSync(join(out, shardsIn(out)[1]));
    const heard = talk();
    await runWithQueue(options, queue, heard);
    expect(heard.said).toEqual([
      '7 pictures in 4 shards, 3 of them done already',
      expect.stringMatching(/^1 shard in queue shards of redis:/),
    ]);
    await work({ workers: 1, untilEmpty: true }, queue, talk());
    expect(recordsIn(out)).toHaveLength(7);
  });

  it('gives a shard again whose worker fell silent', async () => {
    const out = join(folder, 'stalled');
    await runWithQueue({ ...runOptions(pictures, out, { shard_size: 64 }), work: false }, queue, talk());
    const { Worker } = await import('bullmq');
    // Takes the job and dies: it neither ends it nor says that it is alive.
    const dead = new Worker('shards', undefined, { connection, lockDuration: 1000 });
    expect(await dead.getNextJob('dead')).toBeDefined();
    await dead.close(true);
    const stopWorker = worker();
    while (!hasShard(out)) await new Promise((resolve) => setTimeout(resolve, 50));
    await stopWorker();
    expect(recordsIn(out)).toHaveLength(7);
  });

  it('keeps what a worker has not begun when it is told to end', async () => {
    const out = join(folder, 'ended');
    await runWithQueue({ ...runOptions(pictures, out, { shard_size: 1 }), work: false }, queue, talk());
    const heard = talk();
    const ended = work({ workers: 1 }, queue, heard);
    while (!hasShard(out)) await new Promise((resolve) => setTimeout(resolve, 5));
    heard.stop.request();
    await ended;
    const left = 7 - shardsIn(out).length;
    expect(left).toBeGreaterThan(0);
    expect(await queueCounts(queue, talk())).toEqual({ wait: left, active: 0, delayed: 0, failed: 0 });
    expect(readdirSync(join(out, 'running'))).toEqual([]);
    await work({ workers: 1, untilEmpty: true }, queue, talk());
    expect(recordsIn(out)).toHaveLength(7);
  });

  it('says why a shard failed for good', async () => {
    const out = join(folder, 'failing');
    await runWithQueue({ ...runOptions(pictures, out), work: false }, queue, talk());
    const own = new Queue('shards', { connection });
    for (const job of await own.getWaiting()) await job.remove();
    const data = { out: join(folder, 'nowhere'), hash: 'x', shard: 0 };
    await own.add('lost', data, { attempts: 1 });
    await own.close();
    const heard = talk();
    await work({ workers: 1, untilEmpty: true }, queue, heard);
    expect(heard.said.join('\n')).toContain('nowhere: has no plan.json; does this machine see that folder?');
    expect((await queueCounts(queue, talk())).failed).toBe(1);
  });

  it('is shown on a board', async () => {
    const board = await openBoard(String(await freePort()), queue, talk());
    const page = await fetch(board.address);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('<base href="/board/"');
    const { queues } = (await (await fetch(`${board.address}/api/queues`)).json()) as { queues: { name: string }[] };
    expect(queues.map(({ name }) => name)).toEqual(['shards']);
    await board.close();
  });
});

function hasShard(out: string): boolean {
  return shardsIn(out).length > 0;
}
