/** Downloads by way of a proxy, as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say. The hosts asked for are known to the proxy alone. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { proxyOf } from '../../../src/platforms/node/fetch.js';
import { readPicture } from '../../../src/platforms/node/files.js';
import { nodePlatform } from '../../../src/platforms/node/platform.js';
import { ROOT, temporaryFolder } from '../../helpers/cli.js';
import { listenInTest } from '../../helpers/loopback.js';
import { filesBelow } from '../../hub/helpers.js';
import { startHub } from '../../hub/server.mjs';

afterEach(() => vi.unstubAllEnvs());

const tls = (file: string) => fileURLToPath(new URL(`tls/${file}.pem`, import.meta.url));

const portOf = async (server: Server) => (await listenInTest(server)).port;

/** A proxy that leads to `target` whatever host is asked for, and wants this name and password if they are given. */
async function startProxy(target: number, pass?: string) {
  const asked: string[] = [];
  const mayPass = (header: string | undefined) =>
    pass === undefined || header === `Basic ${Buffer.from(pass).toString('base64')}`;
  const server = createServer((incoming, outgoing) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    if (!mayPass(incoming.headers['proxy-authorization'])) {
      outgoing.writeHead(407).end();
      return;
    }
    const { pathname, search } = new URL(incoming.url!);
    const onward = request({ host: '127.0.0.1', port: target, path: pathname + search, headers: incoming.headers });
    onward.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    onward.end();
  });
  server.on('connect', (incoming, socket) => {
    asked.push(`CONNECT ${incoming.url}`);
    if (!mayPass(incoming.headers['proxy-authorization'])) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    const onward = connect(target, '127.0.0.1', () => socket.write('HTTP/1.1 200 Connection Established\r\n\r\n'));
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
    onward.pipe(socket).pipe(onward);
  });
  return { asked, port: await portOf(server) };
}

/** A hub, and the same by TLS as hub.test. */
async function startHubs() {
  const hub = await startHub();
  onTestFinished(() => hub.close());
  const plain = Number(new URL(hub.endpoint).port);
  const pass = { key: readFileSync(tls('key')), cert: readFileSync(tls('certificate')) };
  const secure = createTlsServer(pass, (incoming, outgoing) => {
    // What lies on the second host is to be had by way of the proxy too.
    const second = incoming.url!.startsWith('/blobs/');
    const port = second ? new URL(hub.second).port : plain;
    const onward = request({ host: '127.0.0.1', port, path: incoming.url, headers: incoming.headers });
    onward.on('response', (answer) => {
      const { location } = answer.headers;
      const headers = {
        ...answer.headers,
        ...(location && { location: location.replace(hub.second, 'https://hub.test') }),
      };
      outgoing.writeHead(answer.statusCode!, headers);
      answer.pipe(outgoing);
    });
    onward.end();
  });
  return { hub, plain, secure: await portOf(secure as unknown as Server) };
}

/** child.mjs in an environment; where Node knows proxies by itself, they are left to us. */
async function download(variables: Record<string, string>) {
  const cache = temporaryFolder();
  const { PATH } = process.env;
  const env = { PATH, HF_HOME: cache, NODE_EXTRA_CA_CERTS: tls('certificate'), ...variables };
  const child = spawn(process.execPath, [join(ROOT, 'test/platforms/node/hub/child.mjs')], { env, cwd: ROOT });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const code = await new Promise((resolve) => child.on('close', resolve));
  return { code, said, files: filesBelow(cache).filter((file) => file.endsWith('model.safetensors')) };
}

describe('a model of the hub', () => {
  it('by a tunnel to https', async () => {
    const { hub, secure } = await startHubs();
    const proxy = await startProxy(secure);
    const { code, said, files } = await download({
      HF_ENDPOINT: 'https://hub.test',
      HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
    });
    expect(code, said).toBe(0);
    expect(files).toHaveLength(1);
    expect(new Set(proxy.asked)).toEqual(new Set(['CONNECT hub.test:443']));
    expect(hub.requests.map(({ host }) => host)).toContain('second');
  });

  it('through a proxy that wants a password', async () => {
    const { secure } = await startHubs();
    const proxy = await startProxy(secure, 'me:p@ss word');
    const variables = { HF_ENDPOINT: 'https://hub.test', https_proxy: `me:p%40ss%20word@127.0.0.1:${proxy.port}` };
    const { code, said } = await download(variables);
    expect(code, said).toBe(0);
    const refused = await download({ ...variables, https_proxy: `http://me:wrong@127.0.0.1:${proxy.port}` });
    expect(refused.code).toBe(1);
    expect(refused.said).toContain(
      `the proxy 127.0.0.1:${proxy.port} of https_proxy answers 407 Proxy Authentication Required; put a name and password`,
    );
    expect(refused.said).not.toContain('wrong');
  });

  it('by its whole URL for http', async () => {
    const { hub, plain } = await startHubs();
    const proxy = await startProxy(plain);
    const { code, said, files } = await download({
      HF_ENDPOINT: 'http://hub.test',
      http_proxy: `http://127.0.0.1:${proxy.port}`,
    });
    expect(code, said).toBe(0);
    expect(files).toHaveLength(1);
    expect(proxy.asked.length).toBeGreaterThan(1);
    for (const line of proxy.asked) expect(line).toMatch(/^GET http:\/\/hub\.test\//);
    // The second host is this computer, which needs no proxy.
    expect(hub.requests.map(({ host }) => host)).toContain('second');
  });

  it('without a proxy where NO_PROXY says so, and on this computer', async () => {
    const { hub, plain } = await startHubs();
    const proxy = await startProxy(plain);
    const all_proxy = `http://127.0.0.1:${proxy.port}`;
    expect(await download({ HF_ENDPOINT: hub.endpoint, all_proxy })).toMatchObject({ code: 0 });
    const excepted = await download({ HF_ENDPOINT: 'http://hub.test', all_proxy, no_proxy: 'a.test, .hub.test' });
    expect(excepted.said).toMatch(/hub\.test/);
    expect(excepted.code).toBe(1);
    expect(proxy.asked).toEqual([]);
  });

  it('a proxy that cannot be reached is named', async () => {
    const { code, said } = await download({ HF_ENDPOINT: 'https://hub.test', HTTPS_PROXY: 'http://127.0.0.1:9' });
    expect(code).toBe(1);
    expect(said).toContain(
      'hub.test: connect ECONNREFUSED 127.0.0.1:9 (by way of the proxy 127.0.0.1:9 of HTTPS_PROXY)',
    );
  });
});

it('a picture by URL, redirects too', async () => {
  const picture = readFileSync(join(ROOT, 'examples/husky.png'));
  const server = createServer(({ url, headers }, response) => {
    if (url === '/picture') response.end(picture);
    else
      response.writeHead(302, { location: `http://other.test${headers.host === 'a.test' ? '/picture' : '/'}` }).end();
  });
  const proxy = await startProxy(await portOf(server));
  vi.stubEnv('http_proxy', `http://127.0.0.1:${proxy.port}`);
  expect(Buffer.from(await readPicture('http://a.test', 1e6))).toEqual(picture);
  expect(proxy.asked).toEqual(['GET http://a.test/', 'GET http://other.test/picture']);
  await expect(readPicture('http://b.test', 1e6)).rejects.toThrow('redirect count exceeded');
});

it.each([204, 205, 304])('an answer of %i, which has no body', async (status) => {
  const server = createServer((_, response) => response.writeHead(status, { 'x-its': 'own' }).end());
  const proxy = await startProxy(await portOf(server));
  vi.stubEnv('http_proxy', `http://127.0.0.1:${proxy.port}`);
  const answer = await nodePlatform.fetch!('http://a.test/x', { redirect: 'manual' });
  expect(answer.status).toBe(status);
  expect(answer.body).toBeNull();
  expect(answer.headers.get('x-its')).toBe('own');
});

describe('which proxy', () => {
  const of = (url: string, variables: Record<string, string>) => {
    const found = proxyOf(new URL(url), variables);
    return found && `${found.from} ${found.url.host}`;
  };

  it.each<[string, Record<string, string>, string | undefined]>([
    ['https://a.test', {}, undefined],
    ['https://a.test', { HTTPS_PROXY: '' }, undefined],
    ['https://a.test', { HTTPS_PROXY: 'http://p:1' }, 'HTTPS_PROXY p:1'],
    ['https://a.test', { HTTPS_PROXY: 'p:1' }, 'HTTPS_PROXY p:1'],
    ['https://a.test', { HTTPS_PROXY: 'http://p:1', https_proxy: 'http://q:2' }, 'https_proxy q:2'],
    ['https://a.test', { HTTP_PROXY: 'http://p:1' }, undefined],
    ['http://a.test', { HTTP_PROXY: 'http://p:1' }, 'HTTP_PROXY p:1'],
    ['https://a.test', { ALL_PROXY: 'https://p:1' }, 'ALL_PROXY p:1'],
    ['data:,a', { ALL_PROXY: 'http://p:1' }, undefined],
    ['http://localhost:80', { ALL_PROXY: 'http://p:1' }, undefined],
    ['http://127.0.0.53', { ALL_PROXY: 'http://p:1' }, undefined],
    ['http://[::1]:8', { ALL_PROXY: 'http://p:1' }, undefined],
  ])('%s with %j: %s', (url, variables, expected) => {
    expect(of(url, variables)).toBe(expected);
  });

  it.each<[string, string, boolean]>([
    ['*', 'https://a.test', true],
    ['a.test', 'https://a.test', true],
    ['A.test', 'https://a.test', true],
    ['a.test', 'https://b.a.test', true],
    ['.a.test', 'https://b.a.test', true],
    ['*.a.test', 'https://b.a.test', true],
    ['a.test', 'https://ba.test', false],
    ['b.test,  a.test', 'https://a.test', true],
    ['a.test:443', 'https://a.test', true],
    ['a.test:8443', 'https://a.test', false],
    ['a.test:8443', 'https://a.test:8443', true],
    ['', 'https://a.test', false],
    [',', 'https://a.test', false],
  ])('NO_PROXY=%j leaves out %s: %s', (NO_PROXY, url, expected) => {
    expect(of(url, { HTTPS_PROXY: 'http://p:1', NO_PROXY }) === undefined).toBe(expected);
  });

  it.each(['socks5://user:secret@p:1080', 'http://'])('%s is refused', (https_proxy) => {
    const ask = () => of('https://a.test', { https_proxy });
    expect(ask).toThrow(/^https_proxy: expected a proxy as http:\/\/host:port, got /);
    expect(ask).not.toThrow(/secret/);
  });
});
