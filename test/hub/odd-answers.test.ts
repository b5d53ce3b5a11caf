/** Hubs and servers that never end, never answer, or say oddly when to come again; files of the cache that are no files. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { env } from '../../src/base/env.js';
import { hf_hub_download, hubFolder } from '../../src/entries/hub-node.js';
import { RawImage } from '../../src/entries/main-node.js';
import { temporaryFolder } from '../helpers/cli.js';
import { listenInTest } from '../helpers/loopback.js';
import { filesBelow, leftovers, REPO, refusal, testHub, WEIGHTS } from './helpers.js';
import { COMMIT } from './server.mjs';

/** Writes for ever, and knows how much it got rid of. */
function endless(response: ServerResponse, headers: Record<string, string>): { sent: number } {
  const count = { sent: 0 };
  response.writeHead(200, { 'x-repo-commit': COMMIT, 'content-type': 'application/octet-stream', ...headers });
  const chunk = Buffer.alloc(1 << 16, 0x20);
  const more = () => {
    while (!response.destroyed && response.write(chunk)) count.sent += chunk.length;
    count.sent += chunk.length;
  };
  response.on('drain', more);
  more();
  return count;
}

describe('an answer that never ends', () => {
  it.each([
    ['config.json', 'jsonBytes'],
    [WEIGHTS, 'weightsBytes'],
  ] as const)('is given up at the limit of %s, and nothing stays', async (file, limit) => {
    const { hub, cache } = await testHub();
    const before = env.limits[limit];
    env.limits[limit] = 1 << 20;
    const counts: { sent: number }[] = [];
    hub.fault = ({ path }, _, response) => path.endsWith(file) && counts.push(endless(response, { etag: '"abc"' }));
    try {
      expect(await refusal(hf_hub_download(REPO, file))).toMatchObject({ code: 'LIMIT' });
      const folder = await hubFolder(REPO);
      expect(await refusal(folder.read(file))).toMatchObject({ code: 'LIMIT' });
      expect(await refusal(folder.read(file, undefined, 1000))).toMatchObject({ code: 'LIMIT' });
      // Not tried again; what was sent beyond the limit lies in buffers of the system.
      expect(counts).toHaveLength(3);
      expect(leftovers(cache)).toEqual([]);
      expect(filesBelow(cache).filter((name) => name.includes('blobs'))).toEqual([]);
    } finally {
      env.limits[limit] = before;
    }
  });

  it('is not begun where its size is above the limit', async () => {
    const { hub, cache } = await testHub();
    hub.fault = ({ path }, _, response) =>
      path.endsWith(WEIGHTS) && endless(response, { etag: `"${'ab'.repeat(32)}"`, 'x-linked-size': String(2 ** 50) });
    expect(await refusal(hf_hub_download(REPO, WEIGHTS))).toMatchObject({ code: 'LIMIT' });
    expect(leftovers(cache)).toEqual([]);
  });
});

describe('a server that stalls', () => {
  it('is given up as a picture, before its answer and within it', async () => {
    const bytes = Buffer.from('half a picture');
    const { origin } = await listenInTest(
      createServer((request, response) => {
        if (request.url !== '/silent') response.writeHead(200, { 'content-length': 1000 }).write(bytes);
      }),
    );
    const { network } = env;
    env.network = { ...network, timeout: 200 };
    try {
      for (const name of ['silent', 'within']) {
        const error = await refusal(RawImage.read(`${origin}/${name}`));
        expect(error).toMatchObject({ code: 'IO', file: `${origin}/${name}` });
        expect(error.message).toBe(`${origin}/${name}: nothing came for 0.2 s; env.network.timeout can be raised`);
      }
    } finally {
      env.network = network;
    }
  });
});

describe('Retry-After', () => {
  it.each([
    ['a second', '1', /^done$/],
    ['a time to come', new Date(Date.now() + 3_600_000).toUTCString(), /asks to wait 3[56]\d\d s/],
    ['a time gone by', new Date(Date.now() - 3_600_000).toUTCString(), /^done$/],
    ['two hours', '7200', /asks to wait 7200 s/],
    ['less than nothing', '-1', /^done$/],
    ['a word', 'soon', /^done$/],
    ['for ever', 'Infinity', /^done$/],
  ])('%s', async (_what, text, outcome) => {
    const { hub } = await testHub();
    let asked = 0;
    hub.fault = (_asked, _request, response) => asked++ === 0 && response.writeHead(429, { 'retry-after': text }).end();
    const told = await hf_hub_download(REPO, 'config.json').then(
      () => 'done',
      ({ message }) => message,
    );
    expect(told).toMatch(outcome);
  });
});

describe.skipIf(process.platform === 'win32')('what is no plain file in the cache', () => {
  const pipe = (path: string) => {
    mkdirSync(dirname(path), { recursive: true });
    execFileSync('mkfifo', [path]);
  };

  it('is no ref: the hub is asked', async () => {
    const { cache } = await testHub();
    pipe(join(cache, 'models--org--dogs/refs/main'));
    const path = await hf_hub_download(REPO, 'config.json');
    expect(path).toContain(COMMIT);
  });

  it('is no token, nor is what never ends', async () => {
    const { hub } = await testHub();
    const folder = temporaryFolder();
    pipe(`${folder}/pipe`);
    writeFileSync(`${folder}/long`, 'x'.repeat(100_000));
    writeFileSync(`${folder}/token`, 'hf_good\n');
    for (const path of ['/dev/zero', `${folder}/pipe`, `${folder}/long`, folder, `${folder}/none`]) {
      vi.stubEnv('HF_TOKEN_PATH', path);
      await hf_hub_download(REPO, 'config.json', { force_download: true });
      expect(hub.requests.at(-1)?.authorization).toBeUndefined();
    }
    vi.stubEnv('HF_TOKEN_PATH', `${folder}/token`);
    await hf_hub_download(REPO, 'config.json', { force_download: true });
    expect(hub.requests.at(-1)?.authorization).toBe('Bearer hf_good');
  });
});
