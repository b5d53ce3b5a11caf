/** `progress_callback`: the events of transformers.js, with the bytes there are, wherever a model comes from. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { env, type Folder, MobileNetV2Config, type ProgressInfo, pipeline } from '../../src/entries/main-node.js';
import { webPlatform } from '../../src/platforms/web.js';
import { saveTinyClassifier } from '../helpers/tiny.js';

const FILES = ['config.json', 'model.safetensors', 'preprocessor_config.json'];
const { platform } = env;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
  await saveTinyClassifier(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  env.platform = platform;
  vi.unstubAllGlobals();
});

const size = (file: string) => statSync(join(folder, file)).size;

/** Loads a model, and checks what every file tells: a beginning, growing bytes up to all of them, an end. */
async function events(where: string | Folder): Promise<ProgressInfo[]> {
  const seen: ProgressInfo[] = [];
  const progress_callback = (info: ProgressInfo) => seen.push(structuredClone(info));
  (await pipeline('image-classification', where, { progress_callback, device: 'js' })).dispose();
  expect(seen.at(-1)).toMatchObject({ status: 'ready', task: 'image-classification' });
  for (const file of FILES) {
    const own = seen.filter((info) => 'file' in info && info.file === file);
    expect([own[0].status, own.at(-1)!.status]).toEqual(['initiate', 'done']);
    const bytes = own.flatMap((info) => (info.status === 'progress' ? [info] : []));
    expect(bytes.length).toBeGreaterThan(0);
    expect(bytes.map(({ loaded }) => loaded)).toEqual(bytes.map(({ loaded }) => loaded).sort((a, b) => a - b));
    expect(bytes.at(-1)).toMatchObject({ loaded: size(file), total: size(file), progress: 100 });
  }
  expect(new Set(seen.flatMap((info) => ('file' in info ? [info.file] : [])))).toEqual(new Set(FILES));
  const all = FILES.reduce((sum, file) => sum + size(file), 0);
  const totals = seen.flatMap((info) => (info.status === 'progress_total' ? [info] : []));
  expect(totals.at(-1)).toMatchObject({ loaded: all, total: all, progress: 100 });
  return seen;
}

describe('progress_callback', () => {
  it('tells of a folder on this computer, and of one that the caller opened', async () => {
    await events(folder);
    class Own implements Folder {
      readonly name = 'own';
      async read(file: string) {
        return FILES.includes(file) ? new Uint8Array(readFileSync(join(folder, file))) : undefined;
      }
    }
    await events(new Own());
  });

  it('tells of the checkpoint that ships', async () => {
    const seen: string[] = [];
    const progress_callback = (info: ProgressInfo) => seen.push(info.status);
    await MobileNetV2Config.from_pretrained(undefined, { progress_callback });
    expect(seen).toEqual(['initiate', 'progress', 'progress_total', 'done']);
  });

  it.each([
    ['with its length', {}],
    ['compressed, so that the length is another', { 'content-encoding': 'gzip', 'content-length': '100' }],
  ])('tells of a URL chunk by chunk, %s', async (_how, headers) => {
    vi.stubGlobal('fetch', async (url: URL) => {
      const file = url.pathname.split('/').at(-1)!;
      if (!FILES.includes(file)) return new Response('', { status: 404 });
      const bytes = new Uint8Array(readFileSync(join(folder, file)));
      const chunks = Array.from({ length: 4 }, (_, i) =>
        bytes.subarray((i * size(file)) / 4, ((i + 1) * size(file)) / 4),
      );
      const body = new ReadableStream({
        start(controller) {
          for (const chunk of chunks) controller.enqueue(chunk);
          controller.close();
        },
      });
      return new Response(body, { headers: { 'content-length': String(size(file)), ...headers } });
    });
    env.platform = { ...platform, ...webPlatform };
    const seen = await events('https://example.com/model/');
    const weights = seen.filter((info) => 'file' in info && info.file === 'model.safetensors');
    expect(weights.map(({ status }) => status)).toEqual(
      expect.arrayContaining(['initiate', 'download', 'progress', 'progress', 'progress', 'progress', 'done']),
    );
  });
});

describe('a page without the hub', () => {
  it('says what to import for a name of the hub, where there is no such folder', async () => {
    const there = new Set<string>();
    vi.stubGlobal('location', { href: 'https://example.com/app/' });
    vi.stubGlobal('fetch', async (url: URL) =>
      there.has(url.pathname)
        ? new Response('{}')
        : new Response('<html>', { headers: { 'content-type': 'text/html; charset=utf-8' } }),
    );
    env.platform = { ...platform, ...webPlatform };
    const name = 'google/mobilenet_v2_1.0_224';
    const message = expect.stringContaining("import 'mobilenet-v2/hub' first");
    await expect(pipeline('image-classification', name)).rejects.toMatchObject({ code: 'NOT_FOUND', message });
    await expect(MobileNetV2Config.from_pretrained(name)).rejects.toMatchObject({ code: 'NOT_FOUND', message });
    const address = pipeline('image-classification', `https://huggingface.co/${name}`);
    await expect(address).rejects.toMatchObject({ code: 'NOT_FOUND', message });
    const other = expect.not.stringContaining('hub');
    await expect(pipeline('image-classification', 'models/a/b')).rejects.toMatchObject({ message: other });
    there.add(`/app/${name}/config.json`);
    await expect(pipeline('image-classification', name)).rejects.toMatchObject({ code: 'NOT_FOUND', message: other });
  });
});
