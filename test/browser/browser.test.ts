/** The package in a real browser, from its own pages: pictures decoded by the browser, scores against those of Node. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClassificationResult, type Device, type EngineName, pipeline } from '../../src/entries/main-node.js';
import { ROOT } from '../helpers/cli.js';
import type { Loopback } from '../helpers/loopback.js';
import { findChromium } from './chromium.js';
import { type PAGES, serve } from './server.js';
import { bundle, bundled, inWebKit, wholePage } from './whole-page.js';

const PICTURES = ['husky.png', 'dog.jpg'] as const;
type Scores = Record<(typeof PICTURES)[number], ClassificationResult[]>;

/** What page.mjs reports. */
interface Outcome {
  error?: string;
  isolated: boolean;
  evalAllowed: boolean;
  wasmAllowed: boolean;
  engine: EngineName;
  scores: Scores;
  /** That were started. */
  workers: number;
}

/** What the page wrote, once it has. */
const OUTCOME = `(async () => {
  const output = document.querySelector('output');
  while (output.textContent === '') await new Promise((resolve) => setTimeout(resolve, 20));
  return JSON.parse(output.textContent);
})()`;

const executablePath = findChromium();

async function scoresInNode(): Promise<Scores> {
  using classify = await pipeline('image-classification', undefined, { device: 'wasm', threads: 1 });
  const scores: Partial<Scores> = {};
  for (const picture of PICTURES) {
    scores[picture] = await classify(join(ROOT, 'examples', picture), { top_k: null });
  }
  return scores as Scores;
}

/** What transformers 5.24 with Pillow gives for dog.jpg, by the checkpoint that ships. */
const transformers = [
  { label: 'malamute, malemute, Alaskan malamute', score: 0.378115 },
  { label: 'Eskimo dog, husky', score: 0.146585 },
  { label: 'bicycle-built-for-two, tandem bicycle, tandem', score: 0.078778 },
  { label: 'dogsled, dog sled, dog sleigh', score: 0.055395 },
];

/** The largest difference between scores and expected ones; NaN where a label is missing. */
function difference(got: readonly ClassificationResult[], expected: readonly ClassificationResult[]): number {
  const scores = new Map(got.map(({ label, score }) => [label, score]));
  return Math.max(...expected.map(({ label, score }) => Math.abs(score - (scores.get(label) ?? Number.NaN))));
}

function expectScores(scores: Scores, inNode: Scores): void {
  expect(difference(scores['husky.png'], inNode['husky.png'])).toBeLessThan(1e-6); // of one engine: 0
  // Chromium and Pillow decode JPEG with libjpeg-turbo; jpeg-js enlarges colours without smoothing. Measured: 0.0045.
  expect(difference(scores['dog.jpg'], inNode['dog.jpg'])).toBeLessThan(0.01);
  expect(difference(scores['dog.jpg'], transformers)).toBeLessThan(1e-5);
}

const WEB = '/dist/entries/main-web.js';
const BUNDLE = '/dist/bundle.js';
/** As an application would ship it: one minified file, nothing left outside. */
const PACKAGE = "export * from 'mobilenet-v2';";
const README_PAGE = '/test/browser/readme.html';

describe.skipIf(executablePath === undefined)('in Chromium', () => {
  let browser: Browser;
  let server: Loopback;
  let inNode: Scores;

  beforeAll(async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const page = /^```html\n(.*?)^```$/ms.exec(readme)![1];
    server = await serve(
      new Map([
        [BUNDLE, await bundle(PACKAGE)],
        [README_PAGE, page],
      ]),
    );
    browser = await chromium.launch({ executablePath: executablePath! });
    inNode = await scoresInNode();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** What a page reports, and how many workers it started; all have ended. */
  async function open(
    page: keyof typeof PAGES,
    { module = WEB, device = 'auto' as Device, threads = 1 },
  ): Promise<Outcome & { workers: number }> {
    const tab = await browser.newPage();
    try {
      let workers = 0;
      tab.on('worker', () => workers++);
      const faults: Error[] = [];
      tab.on('pageerror', (error) => faults.push(error));
      await tab.goto(`${server.origin}/${page}?${new URLSearchParams({ module, device, threads: String(threads) })}`);
      const output = tab.locator('output:not(:empty)');
      await output.waitFor({ state: 'attached', timeout: 0 }); // on a busy machine
      const outcome: Outcome = JSON.parse((await output.textContent())!);
      expect(outcome.error).toBeUndefined();
      expect(faults).toEqual([]);
      // A worker that sleeps on shared memory is given two seconds by Chromium before it is ended.
      await expect.poll(() => tab.workers().length, { timeout: 10_000 }).toBe(0);
      return { ...outcome, workers };
    } finally {
      await tab.close();
    }
  }

  it.each(['wasm', 'js'] as const)('%s', async (device) => {
    const { engine, scores, workers } = await open('plain', { device });
    expect(engine).toBe(device);
    expect(workers).toBe(0);
    expectScores(scores, inNode);
  });

  it('a page that forbids eval and WebAssembly gets the js engine', async () => {
    const outcome = await open('strict', { threads: 2 });
    expect(outcome).toMatchObject({ evalAllowed: false, wasmAllowed: false, engine: 'js', workers: 0 });
    expectScores(outcome.scores, inNode);
  });

  it.each([WEB, BUNDLE])('two threads give the bits of one, from %s', async (module) => {
    const one = await open('isolated', { module, threads: 1 });
    const two = await open('isolated', { module, threads: 2 });
    expect(one).toMatchObject({ isolated: true, engine: 'wasm', workers: 0 });
    expect(two).toMatchObject({ isolated: true, engine: 'wasm', workers: 1 });
    expect(two.scores).toEqual(one.scores);
    expectScores(one.scores, inNode);
  });

  it('the page in the README', async () => {
    const tab = await browser.newPage();
    // What the CDN has below this address: the package.
    const cdn = 'https://cdn.jsdelivr.net/npm/mobilenet-v2';
    await tab.route(`${cdn}**`, (route) => {
      const file =
        route
          .request()
          .url()
          .slice(cdn.length + 1) || 'dist/mobilenet-v2.min.js';
      const contentType = file.endsWith('.js') ? 'text/javascript' : 'application/octet-stream';
      const headers = { 'access-control-allow-origin': '*' };
      return route.fulfill({ path: join(ROOT, file), contentType, headers });
    });
    await tab.goto(`${server.origin}${README_PAGE}`);
    await tab.locator('input').setInputFiles(join(ROOT, 'examples/husky.png'));
    await expect
      .poll(() => tab.locator('body').innerText(), { timeout: 10_000 })
      .toContain('malamute, malemute, Alaskan malamute 0.82');
    await tab.close();
  });

  it.each(['plain', 'workerless'] as const)('%s page: one thread does where two were asked for', async (page) => {
    const { engine, scores } = await open(page, { threads: 2 });
    expect(engine).toBe('wasm');
    expectScores(scores, inNode);
  });
});

describe.skipIf(inWebKit === undefined)('in WebKitGTK', () => {
  const whole = wholePage(inWebKit, () => bundled(PACKAGE));
  let inNode: Scores;
  beforeAll(async () => {
    inNode = await scoresInNode();
  });

  async function open(page: keyof typeof PAGES, module: string, device: Device, threads: number): Promise<Outcome> {
    const query = new URLSearchParams({ module, device, threads: String(threads) });
    const outcome = await whole.browser.evaluate<Outcome>(`${whole.server.origin}/${page}?${query}`, OUTCOME);
    expect(outcome.error).toBeUndefined();
    return outcome;
  }

  it.each([
    ['plain', WEB, 'wasm', 1, { engine: 'wasm', workers: 0 }],
    ['plain', BUNDLE, 'js', 1, { engine: 'js', workers: 0 }],
    ['strict', WEB, 'auto', 2, { engine: 'js', evalAllowed: false }],
    ['workerless', WEB, 'auto', 2, { engine: 'wasm' }],
  ] as const)('a page that is %s, %s, %s, threads: %i', async (page, module, device, threads, expected) => {
    const outcome = await open(page, module, device, threads);
    expect(outcome).toMatchObject(expected);
    expectScores(outcome.scores, inNode);
  });

  it.each([WEB, BUNDLE])('two threads give the bits of one, from %s', async (module) => {
    const one = await open('isolated', module, 'auto', 1);
    const two = await open('isolated', module, 'auto', 2);
    expect(one).toMatchObject({ isolated: true, engine: 'wasm', workers: 0 });
    expect(two).toMatchObject({ isolated: true, engine: 'wasm', workers: 1 });
    expect(two.scores).toEqual(one.scores);
    expectScores(one.scores, inNode);
  });
});
