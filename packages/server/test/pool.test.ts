/** Who may wait for a worker, for how long, and what becomes of those whose worker dies. */
import { afterEach, describe, expect, it } from 'vitest';
import type { PicturesJob } from '../src/workers/jobs.js';
import type { PoolOptions, WorkerPool } from '../src/workers/pool.js';
import { plainPool } from './helpers/form.js';

let pool: WorkerPool;
const start = async (options: PoolOptions = {}) => (pool = await plainPool(options));
afterEach(() => pool.close());

const job = (text: string): PicturesJob => ({
  kind: 'pictures',
  model: 'm',
  task: 'classify',
  pictures: [new TextEncoder().encode(text)],
});
const kindOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error) => error.kind,
  );

describe('the pool', () => {
  it('refuses what is more than may wait, and does the rest in order', async () => {
    await start({ queue: 2 });
    const order: string[] = [];
    const run = (text: string) => pool.run(job(text)).then(() => order.push(text));
    const accepted = [run('sleep 50'), run('b'), run('c')];
    expect(() => pool.admit()).toThrow('2 requests wait already');
    expect(pool.counts).toEqual({ waiting: 2, running: 1, crashes: 0 });
    expect(await kindOf(pool.run(job('d')))).toBe('QUEUE_FULL');
    await Promise.all(accepted);
    expect(order).toEqual(['sleep 50', 'b', 'c']);
    expect(() => pool.admit()).not.toThrow();
  });

  it('lets nobody wait longer than the deadline, and frees the place', async () => {
    await start({ queue: 1, deadline: 30 });
    const long = pool.run(job('sleep 300'));
    expect(await kindOf(pool.run(job('late')))).toBe('DEADLINE');
    expect(pool.counts.waiting).toBe(0);
    expect(await kindOf(pool.run(job('patient'), { deadline: 5000 }))).toBe('done');
    await long;
  });

  it('refuses at once what would surely wait longer than its deadline, by what jobs took so far', async () => {
    await start({ deadline: 60_000 });
    for (let i = 0; i < 10; i++) await pool.run(job('sleep 50'));
    const order: string[] = [];
    const accepted = Array.from({ length: 6 }, () => pool.run(job('sleep 50')).then(() => order.push('done')));
    // Five wait, each for 50 ms or more.
    order.push(
      await pool.run(job('b'), { deadline: 40 }).then(
        () => 'done',
        ({ kind, message }) => `${kind}: ${message}`,
      ),
    );
    await Promise.all([...accepted, pool.run(job('c'), { deadline: 59_000 })]);
    expect(order).toEqual([
      expect.stringMatching(/^DEADLINE: requests wait \d+ ms already$/),
      ...Array(6).fill('done'),
    ]);
    // Nobody waits now: the next comes in, whatever jobs took.
    expect(await kindOf(pool.run(job('d'), { deadline: 1 }))).toBe('done');
  });

  it('has a full queue where it is too long for the deadline of all', async () => {
    await start({ deadline: 100 });
    for (let i = 0; i < 10; i++) await pool.run(job('sleep 50'));
    const kinds = Promise.all(Array.from({ length: 10 }, () => kindOf(pool.run(job('sleep 50')))));
    expect(pool.counts.waiting).toBeLessThan(9);
    expect((await kinds)[9]).toBe('QUEUE_FULL');
  });

  it('drops who went away, and lets a job that runs finish', async () => {
    await start();
    const running = new AbortController();
    const waiting = new AbortController();
    const first = pool.run(job('sleep 50'), { signal: running.signal });
    const second = kindOf(pool.run(job('b'), { signal: waiting.signal }));
    waiting.abort();
    running.abort();
    expect(await second).toBe('CANCELLED');
    expect(await kindOf(first)).toBe('done');
    expect(await kindOf(pool.run(job('c'), { signal: waiting.signal }))).toBe('CANCELLED');
    expect(pool.counts).toEqual({ waiting: 0, running: 0, crashes: 0 });
  });

  it.each(['exit', 'throw later'])('outlives a worker that dies of %s', async (death) => {
    await start();
    const after = [pool.run(job(death)), pool.run(job('b')), pool.run(job('c'))].map(kindOf);
    expect(await Promise.all(after)).toEqual(['CRASHED', 'done', 'done']);
    expect(pool.counts.crashes).toBe(1);
  });

  it('outlives many deaths of all workers', async () => {
    await start({ workers: 2 });
    const jobs = Array.from({ length: 24 }, (_, i) => pool.run(job(i % 3 === 2 ? `b${i}` : 'exit')));
    const ends = await Promise.all(jobs.map(kindOf));
    expect(ends).toEqual(jobs.map((_, i) => (i % 3 === 2 ? 'done' : 'CRASHED')));
  });

  it('answers what was accepted before it ends, and takes no more', async () => {
    await start({ queue: 4 });
    const accepted = [pool.run(job('sleep 50')), pool.run(job('b'))].map(kindOf);
    const closed = pool.close();
    expect(await kindOf(pool.run(job('c')))).toBe('CLOSING');
    expect(await Promise.all(accepted)).toEqual(['done', 'done']);
    await closed;
  });

  it('leaves the buffers of others alone', async () => {
    await start();
    const shared = new Uint8Array(100).fill(65);
    const pictures = [shared.subarray(0, 10), shared.subarray(10, 30), Buffer.from('small, from the pool')];
    const answer = await pool.run({ kind: 'pictures', model: 'm', task: 'classify', pictures });
    expect(answer.pictures).toMatchObject([10, 20, 20].map((n) => ({ labels: [{ label: `${n} bytes` }] })));
    expect(shared.length).toBe(100);
  });

  it('leaves the rest of a Buffer alone, whose slices are no copies', async () => {
    await start();
    const chunk = Buffer.alloc(30_000, 65);
    const pictures = [chunk.subarray(100, 20_000)];
    const answer = await pool.run({ kind: 'pictures', model: 'm', task: 'classify', pictures });
    expect(answer.pictures).toMatchObject([{ labels: [{ label: '19900 bytes' }] }]);
    expect(chunk.length).toBe(30_000);
  });

  it('knows its models by name and by what they do', async () => {
    await start();
    expect(pool.find(undefined, 'classify').name).toBe('m');
    expect(() => pool.find(undefined, 'segment')).toThrow('none of them can segment');
    expect(() => pool.find('x')).toThrow('there is no "x"');
    expect(await kindOf(pool.run({ ...job('a'), model: 'x' }))).toBe('NOT_FOUND');
  });
});
