/** Calls of gRPC that are nearly right, and garbage on its port: none is a fault of ours, and good ones are answered after. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { randomNumbers } from '../../../../test/helpers/random.js';
import { SEED } from '../../../../test/helpers/seed.js';
import { stripes } from '../../../../test/helpers/tiny.js';
import { call, garbage, hostileCalls, wrongCall } from '../../bench/hostile-calls.mjs';
import { type RunningServer, serve } from '../../src/serve.js';
import { tinyModels } from '../helpers/tiny.js';

const RUNS = Number(process.env.FUZZ_RUNS ?? 400);
const limits = { bodyLimit: 2 ** 20, memory: 2 ** 20 };
const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
let server: RunningServer;
let session: ClientHttp2Session;

beforeAll(async () => {
  const models = await tinyModels(folder);
  server = await serve({ port: 0, grpcPort: 0, workers: 1, models, ...limits, requestTimeout: 200 });
});
afterAll(async () => {
  session.destroy();
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Whole numbers of a run. */
function belowOf(run: number): (limit: number) => number {
  const numbers = randomNumbers(SEED + run * 7919);
  return (limit) => Math.floor(numbers() * limit);
}

it('every one gets a status that says what is wrong', async () => {
  const hostile = hostileCalls({ classifier: 'tiny', segmenter: 'segmenter', picture: stripes(1), side: 32 });
  const counts: Record<string, number> = {};
  for (let run = 0; run < RUNS; run++) {
    if (run % 20 === 0) await garbage(server.grpcPort, belowOf(-run));
    if (session === undefined || session.destroyed || session.closed) {
      session = connect(`http://127.0.0.1:${server.grpcPort}`);
      session.on('error', () => {});
      await once(session, 'connect');
    }
    const asked = hostile(belowOf(run));
    const answer = await call(session, asked);
    counts[answer.status] = (counts[answer.status] ?? 0) + 1;
    expect(wrongCall(answer, asked), `seed ${SEED}, run ${run}`).toBeUndefined();
  }
  expect(server.pool.counts).toEqual({ waiting: 0, running: 0, crashes: 0 });
  // They are not all stopped at the door.
  expect(Object.keys(counts)).toEqual(expect.arrayContaining(['0', '3', '5', '8', '12']));
  const probe = {
    path: '/grpc.health.v1.Health/Check',
    headers: { 'content-type': 'application/grpc', te: 'trailers' },
  };
  expect((await call(session, { ...probe, body: Buffer.alloc(5) })).status).toBe(0);
  // A packed message takes all memory that bodies may, so none of it may be held still.
  const packed = gzipSync(Buffer.alloc(0));
  const headers = { ...probe.headers, 'grpc-encoding': 'gzip' };
  const body = Buffer.concat([Buffer.from([1, 0, 0, 0, packed.length]), packed]);
  expect((await call(session, { path: '/inference.GRPCInferenceService/ServerLive', headers, body })).status).toBe(0);
});
