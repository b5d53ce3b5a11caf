/** Downloading from a hub that behaves, and from one that does not. */
import { readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { env } from '../../src/base/env.js';
import type { ProgressInfo } from '../../src/base/hub-options.js';
import { hf_hub_download, hubFolder, scanCache, snapshot_download, verifyCache } from '../../src/entries/hub-node.js';
import {
  MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ImageProcessor,
  pipeline,
} from '../../src/entries/main-node.js';
import { ROOT, temporaryFolder } from '../helpers/cli.js';
import { downloadsOf, files, filesBelow, hashOf, leftovers, REPO, refusal, testHub, WEIGHTS } from './helpers.js';
import { COMMIT } from './server.mjs';

describe('a model by its name', () => {
  it('classifies, and is downloaded once', async () => {
    const { hub } = await testHub();
    for (let round = 0; round < 2; round++) {
      using classify = await pipeline('image-classification', REPO, { threads: 1 });
      const [best] = (await classify(join(ROOT, 'examples/husky.png'))) as { label: string }[];
      expect(best.label).toBe('Siberian husky');
    }
    const bodies = downloadsOf(hub);
    expect(bodies).toHaveLength(1);
  });

  it('gives each of the classes its own file alone', async () => {
    const { hub } = await testHub();
    const config = await MobileNetV2Config.from_pretrained(REPO, { num_labels: 19 });
    expect(config.image_size).toBe(160);
    expect(Object.keys(config.extra)).not.toContain('revision');
    const processor = await MobileNetV2ImageProcessor.from_pretrained(REPO, {
      revision: COMMIT,
      do_center_crop: false,
    });
    expect(processor.do_center_crop).toBe(false);
    expect(hub.requests.map(({ path }) => path)).toEqual([
      `/org/dogs/resolve/main/config.json`,
      `/org/dogs/resolve/${COMMIT}/preprocessor_config.json`,
    ]);
  });

  it('lies in the cache as Hugging Face has it', async () => {
    const { cache } = await testHub();
    const path = await snapshot_download(REPO);
    expect(path).toBe(join(cache, `models--org--dogs/snapshots/${COMMIT}`));
    const model = join(cache, 'models--org--dogs');
    expect(readFileSync(join(model, 'refs/main'), 'utf8')).toBe(COMMIT);
    const hash = hashOf(files[WEIGHTS]);
    expect(readlinkSync(join(path, WEIGHTS))).toBe(`../../blobs/${hash}`);
    expect(hashOf(readFileSync(join(path, WEIGHTS)))).toBe(hash);
    expect(filesBelow(path)).toEqual(Object.keys(files).sort());
    expect(filesBelow(join(model, 'blobs'))).toHaveLength(Object.keys(files).length);
    expect(leftovers(cache)).toEqual([]);
    expect(await scanCache()).toMatchObject([{ repo: REPO, revisions: [{ commit: COMMIT, refs: ['main'] }] }]);
  });

  // Stryker runs tests in a thread, which cannot go to another folder.
  it.runIf(isMainThread)('is a folder where there is one of that name', async () => {
    const { hub } = await testHub();
    const folder = temporaryFolder();
    const model = new MobileNetV2ForImageClassification(
      new MobileNetV2Config({ num_labels: 2, depth_multiplier: 0.1 }),
    );
    await model.save_pretrained(join(folder, REPO));
    vi.spyOn(process, 'cwd').mockReturnValue(folder);
    process.chdir(folder);
    try {
      expect((await MobileNetV2Config.from_pretrained(REPO)).num_labels).toBe(2);
      env.allowLocalModels = false;
      expect((await MobileNetV2Config.from_pretrained(REPO)).num_labels).toBe(19);
      env.allowLocalModels = true;
      process.chdir(ROOT);
      env.localModelPath = folder;
      expect((await MobileNetV2Config.from_pretrained(REPO)).num_labels).toBe(2);
    } finally {
      env.allowLocalModels = true;
      env.localModelPath = null;
      process.chdir(ROOT);
      vi.restoreAllMocks();
    }
    expect(hub.requests.length).toBe(1);
  });

  it('may be a revision, a subfolder, a pull request', async () => {
    const { hub } = await testHub();
    const other = 'b'.repeat(40);
    hub.revisions['refs/pr/3'] = { commit: other, files: { 'sub/config.json': files['config.json'] } };
    hub.revisions['feature/x'] = { commit: other, files: hub.revisions['refs/pr/3'].files! };
    for (const revision of ['refs/pr/3', 'feature/x', other]) {
      const config = await MobileNetV2Config.from_pretrained(REPO, { revision, subfolder: 'sub' });
      expect(config.num_labels).toBe(19);
    }
    const [model] = await scanCache();
    expect(model.revisions[0]).toMatchObject({
      commit: other,
      refs: expect.arrayContaining(['refs/pr/3', 'feature/x']),
    });
    expect((await refusal(MobileNetV2Config.from_pretrained(REPO, { revision: 'none' }))).code).toBe('NOT_FOUND');
  });

  it('stays at the commit its first file was of', async () => {
    const { hub } = await testHub();
    const folder = await hubFolder(REPO);
    await folder.read('config.json');
    hub.revisions = {
      main: { commit: 'c'.repeat(40), files: { 'config.json': Buffer.from('{}') } },
      old: { commit: COMMIT },
    };
    expect(await folder.read('preprocessor_config.json')).toEqual(new Uint8Array(files['preprocessor_config.json']));
    const later = await hubFolder(REPO);
    expect(await later.read('config.json')).toEqual(new TextEncoder().encode('{}'));
  });

  it('has weights as .bin, in shards, or in the conversion that waits as a pull request', async () => {
    const { hub } = await testHub({ 'org/none': { 'config.json': files['config.json'] } });
    const pr = { title: 'Adding `safetensors` variant of this model', status: 'open', isPullRequest: true };
    hub.discussions = [
      { ...pr, num: 1, author: { name: 'someone' } },
      { ...pr, num: 2, status: 'closed', author: { name: 'SFconvertbot' } },
      { ...pr, num: 7, author: { name: 'SFconvertbot' } },
    ];
    const none = await refusal(MobileNetV2ForImageClassification.from_pretrained('org/none'));
    expect(none.code).toBe('NOT_FOUND'); // of the conversion's revision, which this hub has not
    hub.revisions['refs/pr/7'] = { commit: 'd'.repeat(40), files };
    using model = await MobileNetV2ForImageClassification.from_pretrained('org/none');
    expect(model.config.num_labels).toBe(19);
    expect(hub.requests.some(({ path }) => path.includes('refs%2Fpr%2F7') || path.includes('d'.repeat(40)))).toBe(true);

    const { header, data } = split(files[WEIGHTS]);
    const names = Object.keys(header).filter((name) => name !== '__metadata__');
    const halves = [names.slice(0, 100), names.slice(100)].map((part) => someOf(part, header, data));
    const shard = (n: number) => `model-0000${n + 1}-of-00002.safetensors`;
    const weight_map = Object.fromEntries(names.map((name, n) => [name, shard(n < 100 ? 0 : 1)]));
    hub.repos['org/shards'] = {
      'config.json': files['config.json'],
      'model.safetensors.index.json': Buffer.from(JSON.stringify({ weight_map })),
      [shard(0)]: halves[0],
      [shard(1)]: halves[1],
    };
    using sharded = await MobileNetV2ForImageClassification.from_pretrained('org/shards');
    expect(sharded.config.num_labels).toBe(19);
  });

  it('tells its progress as transformers.js does', async () => {
    await testHub();
    const seen: ProgressInfo[] = [];
    using _ = await pipeline('image-classification', REPO, { progress_callback: (info) => seen.push(info) });
    const of = (file: string) => seen.filter((info) => 'file' in info && info.file === file);
    expect(of(WEIGHTS)[0]).toEqual({ status: 'initiate', name: REPO, file: WEIGHTS });
    expect(of(WEIGHTS).at(-1)).toEqual({ status: 'done', name: REPO, file: WEIGHTS });
    const size = files[WEIGHTS].length;
    expect(of(WEIGHTS).at(-2)).toMatchObject({ status: 'progress', loaded: size, total: size, progress: 100 });
    expect(of(WEIGHTS).some(({ status }) => status === 'download')).toBe(true);
    const total = seen.filter((info) => info.status === 'progress_total').at(-1)!;
    expect(total).toMatchObject({ progress: 100, files: { [WEIGHTS]: { loaded: size, total: size } } });
    expect(seen.at(-1)).toEqual({ status: 'ready', task: 'image-classification', model: REPO });
  });

  it('goes without files where the caller wants it', async () => {
    const { hub, cache } = await testHub();
    const kept = new Map<string, Response>();
    try {
      env.useFSCache = false;
      expect((await MobileNetV2Config.from_pretrained(REPO)).num_labels).toBe(19);
      env.customCache = {
        match: async (url) => kept.get(url)?.clone(),
        put: async (url, response) => void kept.set(url, response),
      };
      for (let round = 0; round < 2; round++) {
        using model = await MobileNetV2ForImageClassification.from_pretrained(REPO);
        expect(model.config.num_labels).toBe(19);
      }
    } finally {
      env.useFSCache = true;
      env.customCache = null;
    }
    expect([...kept.keys()]).toContain(`${hub.endpoint}/org/dogs/resolve/main/${WEIGHTS}`);
    expect(downloadsOf(hub)).toHaveLength(1);
    expect(() => filesBelow(cache)).toThrow();
  });
});

/** The parts of a safetensors file. */
function split(bytes: Uint8Array) {
  const view = Buffer.from(bytes);
  const length = Number(view.readBigUInt64LE(0));
  const header: Record<string, { data_offsets: [number, number] }> = JSON.parse(view.toString('utf8', 8, 8 + length));
  return { header, data: view.subarray(8 + length) };
}

/** A safetensors file with some of the tensors of another. */
function someOf(names: string[], header: ReturnType<typeof split>['header'], data: Buffer): Buffer {
  const entries: Record<string, unknown> = {};
  const parts: Buffer[] = [];
  let at = 0;
  for (const name of [...names].sort((a, b) => header[a].data_offsets[0] - header[b].data_offsets[0])) {
    const [begin, end] = header[name].data_offsets;
    entries[name] = { ...header[name], data_offsets: [at, at + end - begin] };
    parts.push(data.subarray(begin, end));
    at += end - begin;
  }
  const text = Buffer.from(JSON.stringify(entries));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts]);
}

/** Ends a body early, by closing the connection. */
function cut(response: ServerResponse, bytes: Uint8Array, to: number): true {
  response.writeHead(200, { 'content-length': bytes.length });
  response.write(bytes.subarray(0, to), () => setTimeout(() => response.destroy(), 5));
  return true;
}

describe('H1: a body that is not what was promised', () => {
  const bodies: Record<string, Uint8Array> = {
    short: files[WEIGHTS].subarray(0, 1000),
    long: Buffer.concat([files[WEIGHTS], Buffer.from('x')]),
    wrong: Buffer.from(files[WEIGHTS]).fill(7, 100_000, 100_001),
  };
  it.each(Object.entries(bodies))('%s: is refused and leaves nothing', async (name, body) => {
    const { hub, cache } = await testHub();
    hub.fault = ({ host }, _, response) => host === 'second' && response.writeHead(200).end(body);
    const error = await refusal(hf_hub_download(REPO, WEIGHTS));
    expect(error.code).toBe(name === 'short' ? 'IO' : 'HASH');
    expect(leftovers(cache)).toEqual([]);
    expect(filesBelow(cache).filter((file) => /blobs|snapshots/.test(file))).toEqual([]);
    hub.fault = undefined;
    expect(hashOf(readFileSync(await hf_hub_download(REPO, WEIGHTS)))).toBe(hashOf(files[WEIGHTS]));
  });

  it('a wrong small file is found by git’s hash', async () => {
    const { hub, cache } = await testHub();
    hub.fault = ({ path }, _, response) => {
      if (!path.endsWith('config.json')) return false;
      response.writeHead(200, { 'x-repo-commit': COMMIT, etag: `"${'0'.repeat(40)}"` });
      return response.end('{}');
    };
    expect((await refusal(hf_hub_download(REPO, 'config.json'))).code).toBe('HASH');
    expect(leftovers(cache)).toEqual([]);
  });
});

describe('H4: a hub that does not behave', () => {
  it.each<[number, Record<string, string>, string, RegExp]>([
    [401, { 'x-error-code': 'GatedRepo' }, 'AUTH', /token/],
    [401, {}, 'AUTH', /401.*HF_TOKEN/],
    [403, { 'x-error-code': 'GatedRepo' }, 'AUTH', /ask for access/],
    [401, { 'x-error-code': 'RepoNotFound' }, 'NOT_FOUND', /no model org\/dogs.*private/],
    [404, { 'x-error-code': 'RepoNotFound' }, 'NOT_FOUND', /no model org\/dogs/],
    [404, { 'x-error-code': 'RevisionNotFound' }, 'NOT_FOUND', /no revision main/],
    [404, { 'x-error-code': 'EntryNotFound', 'x-repo-commit': COMMIT }, 'NOT_FOUND', /has no config\.json/],
    [400, {}, 'IO', /400/],
    [451, {}, 'IO', /451/],
  ])('%i %j is %s, asked for once', async (status, headers, code, reason) => {
    const { hub } = await testHub();
    hub.fault = (_, _request, response) => response.writeHead(status, headers).end();
    const error = await refusal(hf_hub_download(REPO, 'config.json'));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(reason);
    expect(hub.requests).toHaveLength(1);
  });

  it.each([408, 429, 500, 502, 503, 504])('%i is tried again, and no more than told', async (status) => {
    const { hub } = await testHub();
    hub.fault = ({ earlier }, _, response) => earlier < 2 && response.writeHead(status, { 'retry-after': '0' }).end();
    await hf_hub_download(REPO, 'config.json');
    expect(hub.requests).toHaveLength(3);
    hub.requests.length = 0;
    hub.fault = (_, _request, response) => response.writeHead(status).end();
    const error = await refusal(hf_hub_download(REPO, 'preprocessor_config.json'));
    expect({ code: error.code, requests: hub.requests.length }).toEqual({ code: 'IO', requests: 3 });
    expect(error.message).toContain(String(status));
  });

  it('429 with a long Retry-After is not waited for, a short one is', async () => {
    const { hub } = await testHub();
    hub.fault = (_, _request, response) => response.writeHead(429, { 'retry-after': '3600' }).end();
    expect((await refusal(hf_hub_download(REPO, 'config.json'))).message).toMatch(/wait 3600 s/);
    expect(hub.requests).toHaveLength(1);
    hub.fault = ({ earlier }, _, response) => earlier === 1 && response.writeHead(429, { 'retry-after': '1' }).end();
    const began = performance.now();
    await hf_hub_download(REPO, 'config.json');
    expect(performance.now() - began).toBeGreaterThan(900);
  });

  it.each(['headers', 'body'])('a stall in its %s ends in an error, and passes if it does', async (where) => {
    const { hub, cache } = await testHub();
    env.network.timeout = 300;
    let stalls = 1;
    hub.fault = ({ host }, _, response) => {
      if (host !== 'second' || stalls-- <= 0) return false;
      if (where === 'body') {
        response.writeHead(200, { 'content-length': files[WEIGHTS].length });
        response.write(files[WEIGHTS].subarray(0, 1000));
      }
      return true;
    };
    await hf_hub_download(REPO, WEIGHTS);
    rmSync(cache, { recursive: true });
    stalls = 100;
    const error = await refusal(hf_hub_download(REPO, WEIGHTS));
    expect(error.code).toBe('IO');
    expect(error.message).toMatch(/nothing came/);
    expect(leftovers(cache)).toEqual([]);
  });

  it('a body that breaks off is continued where it ended', async () => {
    const { hub } = await testHub();
    hub.fault = ({ host, earlier }, _, response) =>
      host === 'second' && earlier === 0 && cut(response, files[WEIGHTS], 2_000_000);
    const path = await hf_hub_download(REPO, WEIGHTS);
    expect(hashOf(readFileSync(path))).toBe(hashOf(files[WEIGHTS]));
    const [, again] = downloadsOf(hub);
    expect(again.range).toMatch(/^bytes=[1-9]\d+-$/);
  });

  it('a second host that knows no ranges is asked for all', async () => {
    const { hub } = await testHub();
    hub.fault = ({ host, earlier }, _, response) => {
      if (host !== 'second') return false;
      return earlier === 0 ? cut(response, files[WEIGHTS], 1_000_000) : response.writeHead(200).end(files[WEIGHTS]);
    };
    expect(hashOf(readFileSync(await hf_hub_download(REPO, WEIGHTS)))).toBe(hashOf(files[WEIGHTS]));
  });

  it('redirects that go round, or to other protocols, are given up', async () => {
    const { hub } = await testHub();
    const redirectTo = (location: string) => {
      hub.fault = (_, _request, response) => response.writeHead(302, { location }).end();
      return refusal(hf_hub_download(REPO, 'config.json'));
    };
    expect((await redirectTo('/org/dogs/resolve/main/config.json')).message).toMatch(/redirects/);
    expect(hub.requests).toHaveLength(1);
    let n = 0;
    hub.fault = (_, _request, response) => response.writeHead(302, { location: `/${n++}` }).end();
    expect((await refusal(hf_hub_download(REPO, 'config.json'))).code).toBe('IO');
    expect(n).toBeLessThan(15);
    expect((await redirectTo('file:///etc/passwd')).message).toMatch(/file:/);
    expect((await redirectTo('//')).code).toBe('IO');
  });

  it('a web page is no file', async () => {
    const { hub } = await testHub();
    hub.fault = (_, _request, response) =>
      response.writeHead(200, { 'content-type': 'text/html', 'x-repo-commit': COMMIT, etag: '"x"' }).end('<html>');
    expect((await refusal(hf_hub_download(REPO, 'config.json'))).message).toMatch(/web page/);
  });

  it('a server that is not a hub is recognized', async () => {
    const { hub } = await testHub();
    hub.fault = (_, _request, response) => response.writeHead(200).end('{}');
    expect((await refusal(hf_hub_download(REPO, 'config.json'))).message).toMatch(/X-Repo-Commit.*not a hub/);
    hub.fault = (_, _request, response) =>
      response.writeHead(200, { 'x-repo-commit': COMMIT, etag: '"../../../x"' }).end('{}');
    expect((await refusal(hf_hub_download(REPO, 'config.json'))).message).toMatch(/ETag/);
    hub.fault = undefined;
    await hub.close();
    const error = await refusal(hf_hub_download(REPO, 'config.json'));
    expect(error.code).toBe('IO');
    expect(error.message).toMatch(/3 tries/);
  });

  it('keeps its token to itself', async () => {
    const { hub } = await testHub();
    const token = 'hf_verysecrettoken';
    hub.secret = token;
    vi.stubEnv('HF_TOKEN', token);
    await hf_hub_download(REPO, WEIGHTS);
    for (const { host, authorization } of hub.requests) {
      expect(authorization).toBe(host === 'hub' ? `Bearer ${token}` : undefined);
    }
    const wrong = 'hf_wrongsecret';
    const errors = [await refusal(hf_hub_download(REPO, 'config.json', { token: wrong }))];
    expect(errors[0].code).toBe('AUTH');
    errors.push(await refusal(hf_hub_download(REPO, 'config.json', { token: `${wrong}\nx: y` })));
    vi.stubEnv('HF_ENDPOINT', `http://user:${wrong}@127.0.0.1/`);
    errors.push(await refusal(hf_hub_download(REPO, 'config.json', { token: wrong })));
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    hub.fault = ({ host }, _, response) => host === 'second' && response.writeHead(403).end();
    rmSync(dirname(await hf_hub_download(REPO, 'config.json')), { recursive: true });
    errors.push(await refusal(hf_hub_download(REPO, WEIGHTS, { force_download: true })));
    for (const error of errors) {
      let link: unknown = error;
      for (; link instanceof Error; link = link.cause) {
        expect(`${link.message}${link.stack}${JSON.stringify(link)}`).not.toMatch(/secret/);
      }
    }
  });

  it('takes tokens from where Python does', async () => {
    const { hub } = await testHub();
    hub.secret = 'hf_filed';
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'token'), 'hf_filed\n');
    const ask = () => hf_hub_download(REPO, 'config.json', { force_download: true });
    expect((await refusal(ask())).code).toBe('AUTH');
    expect((await refusal(hf_hub_download(REPO, 'LICENSE', { token: true }))).message).toMatch(/HF_TOKEN/);
    vi.stubEnv('HF_TOKEN_PATH', join(folder, 'token'));
    await ask();
    vi.stubEnv('HF_HUB_DISABLE_IMPLICIT_TOKEN', '1');
    expect((await refusal(ask())).code).toBe('AUTH');
    await hf_hub_download(REPO, 'LICENSE', { token: true });
    expect((await refusal(hf_hub_download(REPO, 'README.md', { token: false }))).code).toBe('AUTH');
    vi.stubEnv('HF_HUB_DISABLE_IMPLICIT_TOKEN', undefined);
    vi.stubEnv('HF_TOKEN_PATH', undefined);
    vi.stubEnv('HF_HOME', folder);
    await ask();
  });
});

describe('H6: names that cannot be', () => {
  it.each([
    '',
    '..',
    '../x/y',
    'a/b/c',
    'org/',
    '/org',
    'org//name',
    'org/..',
    'org/na--me',
    'org/name.git',
    'org/.name',
    'org/na me',
    'org/na\0me',
    'org/näme',
    `org/${'x'.repeat(97)}`,
    'https://huggingface.co/org/name',
    'org\\name',
    null as unknown as string,
  ])('model %j', async (repo) => {
    const { hub } = await testHub();
    expect((await refusal(hf_hub_download(repo, 'config.json'))).code).toBe('ARG');
    expect(hub.requests).toEqual([]);
  });

  it.each([
    '',
    '..',
    'a/../b',
    '/main',
    'main/',
    'a b',
    '.lock',
    'x.lock',
    'a\0',
    'x'.repeat(300),
    3 as unknown as string,
  ])('revision %j', async (revision) => {
    const { hub } = await testHub();
    expect((await refusal(hf_hub_download(REPO, 'config.json', { revision }))).code).toBe('ARG');
    expect(hub.requests).toEqual([]);
  });

  it.each([
    '',
    '..',
    '../x',
    'a/../../b',
    '/etc/passwd',
    'a//b',
    'a\\b',
    'c:x',
    'a\0b',
    'a\nb',
    './a',
    'x'.repeat(300),
  ])('file %j', async (file) => {
    const { hub } = await testHub();
    expect((await refusal(hf_hub_download(REPO, file))).code).toBe('PATH_ESCAPE');
    const folder = await hubFolder(REPO);
    expect((await refusal(folder.read(file))).code).toBe('PATH_ESCAPE');
    expect(hub.requests).toEqual([]);
  });

  it('subfolders, and files that a list made up', async () => {
    const { hub } = await testHub({ 'org/evil': { '../../../evil': Buffer.from('x') } });
    expect((await refusal(MobileNetV2Config.from_pretrained(REPO, { subfolder: '../x' }))).code).toBe('ARG');
    expect((await refusal(snapshot_download('org/evil'))).code).toBe('PATH_ESCAPE');
    expect(hub.requests).toHaveLength(1);
  });
});

describe('H7: offline', () => {
  it('what is kept is enough', async () => {
    const { hub } = await testHub();
    await snapshot_download(REPO);
    hub.requests.length = 0;
    const load = async (options: object) => {
      using model = await MobileNetV2ForImageClassification.from_pretrained(REPO, options);
      return model.config.num_labels;
    };
    expect(await load({ local_files_only: true })).toBe(19);
    expect(await load({ revision: COMMIT })).toBe(19);
    for (const name of ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE']) {
      vi.stubEnv(name, 'YES');
      expect(await load({})).toBe(19);
      vi.stubEnv(name, undefined);
    }
    env.allowRemoteModels = false;
    expect(await load({}).finally(() => (env.allowRemoteModels = true))).toBe(19);
    expect(hub.requests).toEqual([]);
    await hub.close(); // without being told: the hub is asked once, and what is kept has to do
    expect(await load({})).toBe(19);
    expect(await snapshot_download(REPO)).toContain(COMMIT);
  });

  it('lists what is missing', async () => {
    const { hub } = await testHub();
    await hf_hub_download(REPO, 'config.json');
    const offline = { local_files_only: true };
    const error = await refusal(pipeline('image-classification', REPO, offline));
    expect(error).toMatchObject({ code: 'OFFLINE', names: ['preprocessor_config.json', WEIGHTS] });
    await hf_hub_download(REPO, 'preprocessor_config.json');
    const weights = await refusal(pipeline('image-classification', REPO, offline));
    expect(weights).toMatchObject({ code: 'OFFLINE', names: expect.arrayContaining([WEIGHTS]) });
    expect(weights.message).toMatch(/mobilenet-v2 download org\/dogs/);
    expect((await refusal(hf_hub_download(REPO, 'x.txt', offline))).names).toEqual(['x.txt']);
    expect((await refusal(snapshot_download('org/other', offline))).code).toBe('OFFLINE');
    const shard = (n: number) => `model-0000${n}-of-00003.safetensors`;
    const { header, data } = split(files[WEIGHTS]);
    const [first] = Object.keys(header).filter((name) => name !== '__metadata__');
    const weight_map = { [first]: shard(1), b: shard(2), c: shard(3) };
    hub.repos['org/shards'] = {
      'config.json': files['config.json'],
      'model.safetensors.index.json': Buffer.from(JSON.stringify({ weight_map })),
      [shard(1)]: someOf([first], header, data),
    };
    await snapshot_download('org/shards');
    const shards = await refusal(MobileNetV2ForImageClassification.from_pretrained('org/shards', offline));
    expect(shards).toMatchObject({ code: 'OFFLINE', names: [shard(2), 'preprocessor_config.json', shard(3)] });
  });

  it('remembers what a model does not have', async () => {
    const { hub } = await testHub({ 'org/bin': { 'pytorch_model.bin': Buffer.from('x') } });
    const folder = await hubFolder('org/bin');
    expect(await folder.read(WEIGHTS)).toBeUndefined();
    expect(hub.requests).toHaveLength(1);
    const later = await hubFolder('org/bin', { local_files_only: true });
    expect(await later.read(WEIGHTS)).toBeUndefined();
    const known = await hubFolder('org/bin', { revision: COMMIT });
    expect(await known.read(WEIGHTS)).toBeUndefined();
    expect(hub.requests).toHaveLength(1);
  });

  it('and force_download exclude each other', async () => {
    await testHub();
    const error = await refusal(hf_hub_download(REPO, 'x', { local_files_only: true, force_download: true }));
    expect(error.code).toBe('ARG');
  });
});

describe('H8: a byte that has turned in the cache', () => {
  it.each([WEIGHTS, 'config.json'])('%s: is found, and downloaded anew when told', async (file) => {
    const { cache } = await testHub();
    const path = await hf_hub_download(REPO, file);
    await snapshot_download(REPO);
    const bytes = readFileSync(path);
    bytes[bytes.length - 20] ^= 1;
    writeFileSync(path, bytes);
    expect((await verifyCache(REPO)).filter(({ state }) => state !== 'sound')).toMatchObject([
      { file, state: 'damaged' },
    ]);
    const error = await refusal(MobileNetV2ForImageClassification.from_pretrained(REPO));
    expect(error.code).toBe('HASH');
    expect(error.message).toMatch(/force_download: true/);
    using model = await MobileNetV2ForImageClassification.from_pretrained(REPO, { force_download: true });
    expect(model.config.num_labels).toBe(19);
    expect((await verifyCache()).every(({ state }) => state === 'sound')).toBe(true);
    expect(leftovers(cache)).toEqual([]);
  });
});

describe('giving up', () => {
  it('rejects with the reason, and the next download continues', async () => {
    const { hub, cache } = await testHub();
    hub.rate = 10_000_000;
    const controller = new AbortController();
    const reason = new Error('enough');
    const abort = (info: ProgressInfo) => info.status === 'progress' && info.loaded > 1e6 && controller.abort(reason);
    const options = { signal: controller.signal, progress_callback: abort };
    await expect(MobileNetV2ForImageClassification.from_pretrained(REPO, options)).rejects.toBe(reason);
    await expect(hf_hub_download(REPO, WEIGHTS, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(leftovers(cache).filter((file) => file.endsWith('.incomplete'))).toHaveLength(1);
    hub.rate = undefined;
    hub.requests.length = 0;
    expect(hashOf(readFileSync(await hf_hub_download(REPO, WEIGHTS)))).toBe(hashOf(files[WEIGHTS]));
    expect(downloadsOf(hub)[0].range).toMatch(/^bytes=[1-9]\d{5,}-$/);
    expect(leftovers(cache)).toEqual([]);
  });

  it('what was left is not trusted', async () => {
    const { cache } = await testHub();
    const blobs = join(cache, 'models--org--dogs/blobs');
    await hf_hub_download(REPO, 'config.json');
    writeFileSync(join(blobs, `${hashOf(files[WEIGHTS])}.mv2-00000000.incomplete`), Buffer.alloc(1_000_000));
    expect(hashOf(readFileSync(await hf_hub_download(REPO, WEIGHTS)))).toBe(hashOf(files[WEIGHTS]));
    expect(leftovers(cache)).toEqual([]);
  });
});
