/** Models of the hub in a real browser: redirects that a page cannot see, the Cache, hashes, offline. */
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { env, HubOptions, pipeline } from '../../src/entries/main.js';
import { findChromium } from '../browser/chromium.js';
import { serve } from '../browser/server.js';
import type { Loopback } from '../helpers/loopback.js';
import { downloadsOf, files, WEIGHTS } from './helpers.js';
import { type Hub, startHub } from './server.mjs';

const executablePath = findChromium();

const PAGE = '/test/browser/hub.html';
const HTML = `<!doctype html><script type="module">
  globalThis.library = await import('/dist/entries/main-web.js');
  await import('/dist/entries/hub-web.js');
  document.title = 'ready';
</script>`;

/** What the page has. */
declare const library: { env: typeof env; pipeline: typeof pipeline };

interface Outcome {
  label?: string;
  /** Of an error. */
  code?: string;
  message?: string;
  statuses: string[];
}

describe.skipIf(executablePath === undefined)('in Chromium', () => {
  let browser: Browser;
  let server: Loopback;
  let hub: Hub;
  let page: Page;

  beforeAll(async () => {
    hub = await startHub();
    server = await serve(new Map([[PAGE, HTML]]));
    browser = await chromium.launch({ executablePath: executablePath! });
    page = await browser.newPage();
    await open();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await hub?.close();
  });

  async function open(): Promise<void> {
    await page.goto(`${server.origin}${PAGE}`);
    await page.waitForFunction(() => document.title === 'ready');
    await page.evaluate((host) => {
      library.env.remoteHost = host;
      library.env.network = { attempts: 2, backoff: 10, timeout: 20_000 };
    }, hub.endpoint);
    hub.requests.length = 0;
  }

  const classify = (options: HubOptions = {}): Promise<Outcome> =>
    page.evaluate(async (given) => {
      const statuses: string[] = [];
      try {
        const progress_callback = ({ status }: { status: string }) => statuses.push(status);
        const model = await library.pipeline('image-classification', 'org/dogs', { ...given, progress_callback });
        const [best] = await model('/examples/husky.png', { top_k: 1 });
        return { label: best.label, statuses };
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        return { ...(code !== undefined && { code }), message, statuses };
      }
    }, options);

  it('classifies by name, keeps the files, and does without the hub then', async () => {
    const first = await classify();
    expect(first).toMatchObject({ label: 'Siberian husky' });
    expect(first.statuses).toEqual(expect.arrayContaining(['initiate', 'download', 'progress_total', 'done', 'ready']));
    expect(hub.requests.filter(({ host, method }) => host === 'second' && method === 'GET')).toHaveLength(1);
    await open();
    expect(await classify()).toMatchObject({ label: 'Siberian husky' });
    expect(await classify({ local_files_only: true })).toMatchObject({ label: 'Siberian husky' });
    expect(hub.requests).toEqual([]);
    const kept = await page.evaluate(async () =>
      (await (await caches.open('transformers-cache')).keys()).map(({ url }) => url),
    );
    expect(kept.sort()).toEqual(
      ['config.json', 'model.safetensors', 'preprocessor_config.json'].map(
        (file) => `${hub.endpoint}/org/dogs/resolve/main/${file}`,
      ),
    );
  });

  it('finds a byte that has turned in the cache, and downloads it anew when told', async () => {
    await page.evaluate(async (url) => {
      const cache = await caches.open('transformers-cache');
      const kept = (await cache.match(url))!;
      const bytes = new Uint8Array(await kept.arrayBuffer());
      bytes[bytes.length - 1] ^= 1;
      await cache.put(url, new Response(bytes, { headers: kept.headers }));
    }, `${hub.endpoint}/org/dogs/resolve/main/model.safetensors`);
    expect(await classify()).toMatchObject({ code: 'HASH', message: expect.stringMatching(/force_download/) });
    expect(await classify({ force_download: true })).toMatchObject({ label: 'Siberian husky' });
    expect(await classify()).toMatchObject({ label: 'Siberian husky' });
  });

  it('refuses what is not what the hub’s list says', async () => {
    const wrong = Buffer.from(files[WEIGHTS]).fill(1, 100_000, 100_001);
    hub.fault = ({ host, method }, _, response) =>
      host === 'second' && method === 'GET' && response.writeHead(200).end(wrong);
    expect(await classify({ force_download: true })).toMatchObject({ code: 'HASH' });
    hub.fault = undefined;
  });

  it('sends a token to the hub and to nobody else', async () => {
    hub.secret = 'hf_secret';
    hub.requests.length = 0;
    expect(await classify({ force_download: true })).toMatchObject({ code: 'AUTH' });
    expect(await classify({ force_download: true, token: 'hf_secret' })).toMatchObject({ label: 'Siberian husky' });
    hub.secret = undefined;
    const second = downloadsOf(hub);
    expect(second.length).toBeGreaterThan(0);
    for (const { authorization } of second) expect(authorization).toBeUndefined();
  });

  it('says what is missing, offline', async () => {
    await page.evaluate(() => caches.delete('transformers-cache'));
    expect(await classify({ local_files_only: true })).toMatchObject({
      code: 'OFFLINE',
      message: expect.stringMatching(/preprocessor_config\.json/),
    });
  });

  it('asks the page’s own server first where it is told to', async () => {
    hub.requests.length = 0;
    await page.evaluate(() => {
      library.env.localModelPath = '/test/browser/models/';
      const { fetch } = globalThis;
      // As if the model lay there.
      globalThis.fetch = (url, ...rest) =>
        fetch(String(url).replace(/.*\/test\/browser\/models\/org\/dogs/, '/examples/dogs'), ...rest);
    });
    expect(await classify()).toMatchObject({ label: 'Siberian husky' });
    expect(hub.requests).toEqual([]);
  });
});
