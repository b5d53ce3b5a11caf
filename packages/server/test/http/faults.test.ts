/** Row R6 over real sockets: huge bodies, bombs, slow senders, many at once, strange hosts, forms that never end. */
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppOptions, buildApp } from '../../src/http/app.js';
import { allowedHosts } from '../../src/http/guard.js';
import type { WorkerPool } from '../../src/workers/pool.js';
import { form, plainPool } from '../helpers/form.js';

const MEBIBYTE = 1024 * 1024;
let pool: WorkerPool;
let app: FastifyInstance;
let port: number;
let url: string;

beforeAll(async () => {
  pool = await plainPool({ workers: 1, queue: 8 });
  app = await listen({ requestTimeout: 1500 });
  port = portOf(app);
  url = `http://127.0.0.1:${port}`;
});
async function listen(more: Partial<AppOptions>): Promise<FastifyInstance> {
  const hosts = allowedHosts('127.0.0.1');
  const listening = await buildApp({ pool, bodyLimit: 8 * MEBIBYTE, ...more, ...(hosts && { hosts }) });
  await listening.listen({ port: 0, host: '127.0.0.1' });
  return listening;
}
const portOf = ({ server }: FastifyInstance): number => (server.address() as AddressInfo).port;
afterAll(async () => {
  await app.close();
  await pool.close();
});

/** The first line of what comes back for raw text; the connection stays half open. */
async function firstLine(text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(text);
  let answer = '';
  for await (const part of socket) {
    answer += part;
    if (answer.includes('\r\n')) break;
  }
  socket.destroy();
  return answer.split('\r\n')[0];
}

const statusOf = async (path: string, body: Uint8Array, headers: Record<string, string>, at = url): Promise<number> =>
  (await fetch(at + path, { method: 'POST', body: body as BodyInit, headers })).status;

const wellAfterwards = async () => expect((await fetch(`${url}/livez`)).status).toBe(200);

describe('a huge body', () => {
  it('is refused by its length, before it comes', async () => {
    const head = `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${100 * MEBIBYTE}\r\n\r\n`;
    expect(await firstLine(head)).toContain(' 413 ');
  });

  it('is refused while it comes, where it does not say its length', async () => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (part) => {
      answer += part;
    });
    socket.on('error', () => {});
    socket.write('POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65536), Buffer.from('\r\n')]);
    let sent = 0;
    for (; sent < 100 * MEBIBYTE && !socket.destroyed && answer === ''; sent += chunk.length) {
      if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
      await new Promise(setImmediate);
    }
    socket.destroy();
    expect(answer).toContain(' 413 ');
    expect(sent).toBeLessThan(50 * MEBIBYTE);
    await wellAfterwards();
  });

  it('is refused where a small one unpacks to it', async () => {
    const bomb = gzipSync(Buffer.alloc(100 * MEBIBYTE));
    expect(bomb.length).toBeLessThan(MEBIBYTE);
    expect(await statusOf('/', bomb, { 'content-encoding': 'gzip' })).toBe(413);
    expect(await statusOf('/', gzipSync(bomb), { 'content-encoding': 'gzip, gzip' })).toBe(415);
  });
});

describe('a hundred', () => {
  it('senders who never finish keep nobody else waiting, and get 408', async () => {
    const heads = [
      'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nabc',
      'GET /livez HTTP/1.1\r\nHo',
    ];
    const slow = Array.from({ length: 100 }, (_, i) => firstLine(heads[i % 2]));
    await wellAfterwards();
    for (const line of await Promise.all(slow)) expect(line).toContain(' 408 ');
  });

  it('requests at once are all answered, or told to come back', async () => {
    // The clock for slow senders also runs while a busy machine lets nobody read: at 1.5 s one of these once had 408.
    const patient = await listen({});
    const at = `http://127.0.0.1:${portOf(patient)}`;
    const { payload, headers } = form({ 'a.jpg': Buffer.alloc(1000) });
    const all = await Promise.all(Array.from({ length: 100 }, () => statusOf('/classify', payload, headers, at)));
    await patient.close();
    const others = all.filter((status) => status !== 200 && status !== 503);
    expect(others).toEqual([]);
    expect(all.filter((status) => status === 200).length).toBeGreaterThanOrEqual(9);
    await wellAfterwards();
  });
});

it('another host is refused', async () => {
  for (const host of ['evil.example', 'evil.example:80', '127.0.0.1.evil.example', '169.254.169.254']) {
    expect(await firstLine(`GET /v2 HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).toContain(' 403 ');
  }
  expect(await firstLine(`GET /v2 HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`)).toContain(' 200 ');
});

describe('a form', () => {
  it('with a large part that is neither file nor field is answered', async () => {
    // The parser never comes to an end of it.
    const part = Buffer.from(`--b\r\n\r\n${'a'.repeat(40_000)}\r\n--b--\r\n`);
    const headers = { 'content-type': 'multipart/form-data; boundary=b' };
    expect(await statusOf('/classify', part, headers)).toBe(400);
  });
});
