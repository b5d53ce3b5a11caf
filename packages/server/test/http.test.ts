/** What every route has in common: hosts, tokens, limits, packed bodies, slow senders, errors, metrics, the end. */
import { connect } from 'node:net';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AppOptions, buildApp } from '../src/http/app.js';
import { allowedHosts } from '../src/http/guard.js';
import { serve } from '../src/serve.js';
import type { PoolOptions, WorkerPool } from '../src/workers/pool.js';
import { form, plainPool, plainWorker } from './helpers/form.js';

let shared: WorkerPool;
let pool: WorkerPool;
let app: FastifyInstance;
beforeAll(async () => {
  shared = await plainPool();
});
afterAll(() => shared.close());

async function start(options: Partial<AppOptions> = {}, workers?: PoolOptions): Promise<void> {
  pool = workers === undefined ? shared : await plainPool(workers);
  app = await buildApp({ ...options, pool });
}
afterEach(async () => {
  await app?.close();
  if (pool !== shared) await pool?.close();
});

const classify = (text: string | Uint8Array, headers: Record<string, string> = {}): InjectOptions => {
  const { payload, headers: own } = form({ a: text });
  return { method: 'POST', url: '/classify', payload, headers: { ...own, ...headers } };
};
const statusOf = async (request: InjectOptions): Promise<number> => (await app.inject(request)).statusCode;

/** Sends bytes as they are, and gives what comes back until the end. */
const raw = (port: number, ...parts: (string | Uint8Array)[]): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (data) => {
      answer += data;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
    for (const part of parts) socket.write(part);
  });
const portOf = async (): Promise<number> => Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port);

describe('hosts', () => {
  it('are those of this machine where it listens to this machine, and any elsewhere', () => {
    expect(allowedHosts('127.0.0.1')).toContain('localhost');
    expect(allowedHosts('::1')).toContain('[::1]');
    expect(allowedHosts('0.0.0.0')).toBeUndefined();
    expect(allowedHosts('0.0.0.0', ['Example.org'])).toContain('example.org');
  });

  it.each([
    ['localhost:80', 200],
    ['LOCALHOST', 200],
    ['127.0.0.1:8080', 200],
    ['[::1]:8080', 200],
    ['example.org', 403],
    ['localhost.example.org', 403],
    ['localhost@example.org', 403],
    ['localhost/', 403],
    ['[::1', 403],
  ])('%j: %i', async (host, status) => {
    await start({ hosts: allowedHosts('127.0.0.1')! });
    expect(await statusOf(classify('a', { host }))).toBe(status);
    expect(await statusOf({ url: '/livez', headers: { host } })).toBe(200);
  });

  it('must be named', async () => {
    await start({ hosts: allowedHosts('127.0.0.1')! });
    const port = await portOf();
    expect(await raw(port, 'GET /metrics HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 403 /);
    expect(await raw(port, 'GET /metrics HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n')).toMatch(/^HTTP\/1.1 403 /);
  });
});

describe('the token', () => {
  it.each([
    ['Bearer secret', 200],
    ['bearer  secret', 200],
    ['Bearer secre', 401],
    ['Bearer secrets', 401],
    ['Basic secret', 401],
    ['secret', 401],
    ['', 401],
  ])('%j: %i', async (authorization, status) => {
    await start({ token: 'secret' });
    const reply = await app.inject(classify('a', { authorization }));
    expect(reply.statusCode).toBe(status);
    if (status === 401) expect(reply.headers['www-authenticate']).toBe('Bearer');
  });

  it('is asked for by all but probes', async () => {
    await start({ token: 'secret' });
    for (const url of ['/livez', '/readyz', '/health']) expect(await statusOf({ url })).toBe(200);
    for (const url of ['/metrics', '/openapi.json', '/nowhere']) expect(await statusOf({ url })).toBe(401);
  });
});

describe('bodies', () => {
  const LIMIT = 100_000;
  const packed = (payload: Uint8Array, encoding: string): InjectOptions => ({
    method: 'POST',
    url: '/length',
    payload: Buffer.from(payload),
    headers: { 'content-encoding': encoding },
  });
  const startWithLength = async (): Promise<void> => {
    await start({ bodyLimit: LIMIT });
    app.post('/length', async ({ body }) => ({ length: (body as Buffer).length }));
  };

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['identity', (bytes: Uint8Array) => bytes],
  ])('are unpacked: %s', async (encoding, pack) => {
    await startWithLength();
    const reply = await app.inject(packed(pack(Buffer.alloc(50_000)), encoding));
    expect(reply.json()).toEqual({ length: 50_000 });
  });

  it.each([
    ['a bomb', gzipSync(Buffer.alloc(50_000_000)), 'gzip', 413],
    ['a bomb, deflated', deflateSync(Buffer.alloc(50_000_000)), 'deflate', 413],
    ['cut off', gzipSync(Buffer.alloc(1000)).subarray(0, 20), 'gzip', 400],
    ['no gzip', Buffer.from('hello'), 'gzip', 400],
    ['nothing', Buffer.alloc(0), 'gzip', 400],
    ['brotli', Buffer.from('hello'), 'br', 415],
    ['twice', Buffer.from('hello'), 'gzip, gzip', 415],
    ['a name of Object', Buffer.from('hello'), 'constructor', 415],
  ])('that are %s', async (_what, bytes, encoding, status) => {
    await startWithLength();
    const reply = await app.inject(packed(bytes, encoding));
    expect(reply.statusCode).toBe(status);
    expect(Object.keys(reply.json())).toEqual(['error']);
  });

  it('that are forms must not be packed', async () => {
    await start();
    const { headers, payload } = classify('a');
    const request = { ...classify(''), headers: { ...headers, 'content-encoding': 'gzip' } };
    expect(await statusOf({ ...request, payload: gzipSync(payload as Buffer) })).toBe(415);
  });

  it('have a limit, alone and together', async () => {
    await start({ bodyLimit: LIMIT });
    expect(await statusOf(classify('x'.repeat(LIMIT)))).toBe(413);
    expect(await statusOf(classify('x'.repeat(LIMIT - 200)))).toBe(200);
    const half = 'x'.repeat(LIMIT / 2 + 1);
    const { payload, headers } = form({ a: half, b: half });
    // In chunks, so that no length says it before.
    const port = await portOf();
    const head = `POST /classify HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: ${headers['content-type']}\r\n`;
    const chunked = Buffer.concat([
      Buffer.from(`${payload.length.toString(16)}\r\n`),
      payload,
      Buffer.from('\r\n0\r\n\r\n'),
    ]);
    expect(await raw(port, `${head}transfer-encoding: chunked\r\n\r\n`, chunked)).toMatch(/^HTTP\/1.1 413 /);
  });

  it('are refused before they are read where too many are here, or too many wait', async () => {
    await start({ memory: 150_000 }, { queue: 0 });
    const large = 'x'.repeat(100_000);
    const replies = await Promise.all([`sleep 200 ${large}`, large].map((text) => app.inject(classify(text))));
    expect(replies.map(({ statusCode }) => statusCode)).toEqual([200, 503]);
    expect(replies[1].headers['retry-after']).toBe('1');
    expect(await statusOf(classify(large))).toBe(200);
  });

  it.each([
    ['no form', 'text/plain', 'hello'],
    ['no boundary', 'multipart/form-data', 'hello'],
    [
      'cut off',
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nx',
    ],
    ['empty', 'multipart/form-data; boundary=b', ''],
    [
      'no file',
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n--b--\r\n',
    ],
  ])('that are forms but %s', async (_what, type, payload) => {
    await start();
    const reply = await app.inject({ method: 'POST', url: '/classify', payload, headers: { 'content-type': type } });
    expect(reply.statusCode).toBeGreaterThanOrEqual(400);
    expect(reply.statusCode).toBeLessThan(500);
    expect(Object.keys(reply.json())).toEqual(['error']);
  });
});

describe('errors', () => {
  it('are one shape, and tell nothing of the house', async () => {
    await start();
    const failed = await app.inject(classify('fail'));
    expect([failed.statusCode, failed.json()]).toEqual([500, { error: 'internal error' }]);
    const died = await app.inject(classify('exit'));
    expect([died.statusCode, died.json()]).toEqual([500, { error: 'internal error' }]);
    const unknown = await app.inject('/nowhere');
    expect([unknown.statusCode, unknown.json()]).toEqual([404, { error: 'there is no GET /nowhere' }]);
    const badPath = await app.inject('/%zz');
    expect([badPath.statusCode, Object.keys(badPath.json())]).toEqual([400, ['error']]);
    const query = await app.inject({ ...classify('a'), url: '/classify?top_k=0' });
    expect([query.statusCode, query.json()]).toEqual([400, { error: 'querystring/top_k must be >= 1' }]);
    expect(await statusOf({ ...classify('a'), url: '/classify?model=x' })).toBe(404);
    expect(await statusOf({ ...classify('a'), url: '/segment' })).toBe(404);
    expect(await statusOf({ url: `/v2/models/${'m'.repeat(128)}` })).toBe(404);
  });

  it('are said where there is no HTTP', async () => {
    await start();
    const port = await portOf();
    expect(await raw(port, 'hello\r\n\r\n')).toMatch(/^HTTP\/1.1 400 [\s\S]*\{"error":"this is not HTTP"\}$/);
    const headers = `x: ${'y'.repeat(20_000)}\r\n`;
    expect(await raw(port, `GET /livez HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`)).toMatch(/^HTTP\/1.1 431 /);
  });

  it('408 for who is too slow with its head or its body', async () => {
    await start({ requestTimeout: 300 });
    const port = await portOf();
    const slow = 'POST /classify HTTP/1.1\r\nhost: localhost\r\n';
    const answers = await Promise.all([raw(port, slow), raw(port, `${slow}content-length: 100\r\n\r\nabc`)]);
    for (const answer of answers)
      expect(answer).toMatch(/^HTTP\/1.1 408 [\s\S]*\{"error":"the request came too slowly"\}$/);
  });
});

describe('a full house', () => {
  it('says so at once, and health answers meanwhile', async () => {
    await start({}, { queue: 1 });
    const accepted = [app.inject(classify('sleep 200')), app.inject(classify('b'))];
    await expect.poll(() => pool.counts).toMatchObject({ running: 1, waiting: 1 });
    const refused = await app.inject(classify('c'));
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '1']);
    expect(await statusOf({ url: '/readyz' })).toBe(200);
    expect((await app.inject('/metrics')).body).toMatch(/^mobilenet_queue_size 1$/m);
    expect((await Promise.all(accepted)).map(({ statusCode }) => statusCode)).toEqual([200, 200]);
  });

  it('gives up what waits for a client that went away', async () => {
    await start();
    const port = await portOf();
    const first = app.inject(classify('sleep 2000'));
    await expect.poll(() => pool.counts.running).toBe(1);
    const { payload, headers } = form({ a: 'b' });
    const socket = connect(port, '127.0.0.1');
    socket.write(
      `POST /classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${headers['content-type']}\r\ncontent-length: ${payload.length}\r\n\r\n`,
    );
    socket.write(payload);
    await expect.poll(() => pool.counts.waiting).toBe(1);
    socket.destroy();
    await expect.poll(() => pool.counts.waiting).toBe(0);
    expect(pool.counts.running).toBe(1);
    await first;
  });
});

describe('what is told', () => {
  it('metrics count routes by their patterns', async () => {
    await start();
    await app.inject(classify('a'));
    await app.inject('/nowhere/1');
    await app.inject('/nowhere/2');
    const { body, headers } = await app.inject('/metrics');
    expect(headers['content-type']).toContain('text/plain');
    expect(body).toContain('mobilenet_requests_total{route="/classify",code="200"} 1');
    expect(body).toContain('mobilenet_requests_total{route="none",code="404"} 2');
    expect(body).toContain('mobilenet_request_duration_seconds_count{route="/classify"} 1');
    expect(body).toContain('nodejs_eventloop_lag_seconds');
  });

  it('openapi.json has every route, its body and its errors', async () => {
    await start();
    const { paths, openapi } = (await app.inject('/openapi.json')).json();
    expect(openapi).toBe('3.1.0');
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining(['/livez', '/readyz', '/classify', '/segment', '/metrics']),
    );
    const { post } = paths['/classify'];
    expect(post.requestBody.content['multipart/form-data'].schema.type).toBe('object');
    expect(Object.keys(post.responses)).toEqual(['200', '4XX', '5XX']);
    for (const [path, methods] of Object.entries<Record<string, { summary?: string }>>(paths)) {
      for (const { summary } of Object.values(methods)) expect(summary, path).toBeTruthy();
    }
  });

  it('openapi.json says where a token is asked for', async () => {
    await start({ token: 'secret' });
    const headers = { authorization: 'Bearer secret' };
    const { paths } = (await app.inject({ url: '/openapi.json', headers })).json();
    expect(paths['/classify'].post.security).toEqual([{ token: [] }]);
    expect(paths['/livez'].get.security).toBeUndefined();
  });

  it('a request keeps its id', async () => {
    await start();
    const headers = { 'x-request-id': 'abc-1' };
    expect((await app.inject({ url: '/livez', headers })).headers['x-request-id']).toBe('abc-1');
    const bad = { 'x-request-id': 'a b' };
    expect((await app.inject({ url: '/livez', headers: bad })).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('platforms may ask for paths of their own', async () => {
    await start({ aliases: { '/their/health': '/health' } });
    expect(await statusOf({ url: '/their/health' })).toBe(200);
  });
});

describe('the end', () => {
  it('answers what was accepted, and sends away what comes', async () => {
    const server = await serve({
      port: 0,
      workers: 1,
      models: [{ name: 'm' }],
      worker: plainWorker,
      shutdownDelay: 200,
    });
    const post = (text: string) => {
      const { payload, headers } = form({ a: text });
      return fetch(`${server.url}/classify`, { method: 'POST', body: new Uint8Array(payload), headers });
    };
    const accepted = [post('sleep 300'), post('b'), post('c')];
    await expect.poll(() => server.pool.counts.waiting).toBe(2);
    const closed = server.close();
    const ready = await fetch(`${server.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([503, { error: 'the server ends' }]);
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
    const late = await post('d');
    expect([late.status, late.headers.get('connection')]).toEqual([503, 'close']);
    for (const answer of await Promise.all(accepted)) expect(answer.status).toBe(200);
    await closed;
    await expect(fetch(`${server.url}/livez`)).rejects.toThrow();
  });
});
