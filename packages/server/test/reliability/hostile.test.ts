/** Requests that are nearly right, by the thousand: none is a fault of ours, none kills a worker, and good ones are answered after. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { randomNumbers } from '../../../../test/helpers/random.js';
import { SEED } from '../../../../test/helpers/seed.js';
import { stripes } from '../../../../test/helpers/tiny.js';
import { hostileRequests } from '../../bench/hostile.mjs';
import { buildApp } from '../../src/http/app.js';
import { WorkerPool } from '../../src/workers/pool.js';
import { tinyModels } from '../helpers/tiny.js';

const RUNS = Number(process.env.FUZZ_RUNS ?? 500);
const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
const picture = stripes(1);
let pool: WorkerPool;
let app: FastifyInstance;

beforeAll(async () => {
  pool = await WorkerPool.start({ workers: 1, models: await tinyModels(folder) });
  app = await buildApp({ pool, bodyLimit: 1024 * 1024 });
});
afterAll(async () => {
  await app.close();
  await pool.close();
  rmSync(folder, { recursive: true });
});

it('every one gets an answer that says what is wrong', async () => {
  const request = hostileRequests({ classifier: 'tiny', segmenter: 'segmenter', picture, side: 32 });
  const good = () => app.inject({ method: 'POST', url: '/', payload: picture });
  const first = await good();
  expect(first.statusCode).toBe(200);
  const before = first.json();
  const counts: Record<number, number> = {};
  for (let run = 0; run < RUNS; run++) {
    const numbers = randomNumbers(SEED + run * 7919);
    const { path, headers, body } = request((limit: number) => Math.floor(numbers() * limit));
    const reply = await app.inject({ method: 'POST', url: path, headers, payload: body });
    const status = reply.statusCode;
    counts[status] = (counts[status] ?? 0) + 1;
    const what = `seed ${SEED}, run ${run}: ${path} ${JSON.stringify(headers)} → ${status} ${reply.body.slice(0, 300)}`;
    expect(status, what).toBeLessThan(500);
    if (status >= 400) expect(reply.json(), what).toEqual({ error: expect.stringMatching(/./) });
  }
  expect(pool.counts.crashes).toBe(0);
  expect((await good()).json()).toEqual(before);
  // They are not all stopped at the door.
  expect(Object.keys(counts)).toEqual(expect.arrayContaining(['200', '400', '404', '415']));
});

it.each(['[],', '{},', '[[],{}],'])('lists without end, %s, are refused before they are parsed', async (list) => {
  const payload = `{"inputs":[${list.repeat(250_000)}1]}`.slice(0, 1024 * 1024);
  for (const url of ['/', '/models/tiny', '/invocations', '/v1/models/tiny:predict', '/v2/models/tiny/infer']) {
    const reply = await app.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json' } });
    expect([reply.statusCode, reply.json()], url).toEqual([413, { error: expect.stringContaining('more than') }]);
  }
});
