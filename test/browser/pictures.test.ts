/**
 * Pictures in Chromium and in Firefox, with and without protection against fingerprinting, against those of Node. The page
 * works by itself and sends its outcomes back, so no browser needs a driver.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { RawImage } from '../../src/entries/main-node.js';
import { ROOT } from '../helpers/cli.js';
import { listen } from '../helpers/loopback.js';
import { findBrowser } from './chromium.js';

type Outcome = { size: [number, number]; rgb: number[]; code?: string; message?: string; warnings: string[] };
type Outcomes = Record<string, Outcome>;

/** 8×8 RGBA, alpha 0 above and 128 below. */
const ALPHA = new RawImage(
  Uint8Array.from({ length: 256 }, (_, i) => (i % 4 === 3 ? (i < 128 ? 0 : 128) : (i * 97) & 255)),
  8,
  8,
  4,
);
/** By Pillow, `save('alpha.webp', lossless=True, exact=True)`, of other pixels: numpy's RandomState(1), alpha as above. */
const WEBP =
  'UklGRjoBAABXRUJQVlA4TC4BAAAvB8ABEP/hNAAApMHd3SHygJ3BeRxA5QU6iQRzt+iub7iNAICMYts2dkjq1Llsksl+i2+N2p3tPzcCABDK2bad/2A+uL3VH2hqsu0awPg+xzP+7Ux84nyXN+cF4v8R9Qm6C578YkYihRCf44XSg1TQ74OhQLOM5V3nbuGbwd0QmdjvZvf7AukCnbCe4v/y1Pg/ULdfixr2g+wegIDcgRHu8THcAX83/MdJl92/Q05mPrY9rfkvAWwpthyZ++nBoYManQOjg/WrE202SiK+i4efHczuPX16wmcA2By2EYJl377mRe28+nxsiq4qJfqctfUhGAQAQDSabdu2jYj+R0JcS41UIhO22hh38L7pElT6tHc0JGX8MlCkoDqts/vcihMFeYZinGWyw4vzn30KPQ==';
/** Its first two pixels, under alpha 0, as Pillow's `convert('RGB')` has them. */
const WEBP_COLORS = [37, 235, 140, 255, 137, 203];
const GIF =
  'R0lGODdhCAAIAIIAAMTmmKmihjHVtDiraLxuf5krqx57bSk3ZCwAAAAACAAIAAAIPAAFEBhQoAABAAEAKDxgQACAAwQKHBhwQEBDAxEFCBgQ4AAAjQYYGjQQIEABAwAGgCQ5gCNCgQEoEggQEAA7';

/** A browser that starts for the first time on a busy machine. */
const START_MS = 60_000;
const HTML = '<!doctype html><iframe></iframe><script type="module" src="/pictures.mjs"></script>';

async function files(): Promise<Map<string, string | Uint8Array>> {
  const { outputFiles } = await build({
    stdin: { contents: "export * from 'mobilenet-v2';", resolveDir: ROOT },
    bundle: true,
    platform: 'browser',
    format: 'esm',
    write: false,
  });
  return new Map<string, string | Uint8Array>([
    ['/', HTML],
    ['/bundle.js', outputFiles[0].text],
    ['/pictures.mjs', readFileSync(join(ROOT, 'test/browser/pictures.mjs'))],
    ['/alpha.png', new Uint8Array(await (await ALPHA.toBlob()).arrayBuffer())],
    ['/alpha.webp', Buffer.from(WEBP, 'base64')],
    ['/colors.gif', Buffer.from(GIF, 'base64')],
    ['/dog.jpg', readFileSync(join(ROOT, 'examples/dog.jpg'))],
  ]);
}

const typeOf = (path: string) =>
  /\.m?js$/.test(path) ? 'text/javascript' : path === '/' ? 'text/html' : 'application/octet-stream';

/** Opens the page in a browser of its own and waits for what it sends. */
async function outcomesIn(command: string, flags: (profile: string, url: string) => string[]): Promise<Outcomes> {
  const served = await files();
  const profile = mkdtempSync(join(tmpdir(), 'mobilenet-browser-'));
  let settle!: (outcomes: Outcomes) => void;
  const outcomes = new Promise<Outcomes>((resolve) => {
    settle = resolve;
  });
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/';
    if (request.method === 'POST') {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      response.end();
      return settle(JSON.parse(Buffer.concat(chunks).toString()));
    }
    response.writeHead(served.has(path) ? 200 : 404, { 'content-type': typeOf(path) });
    response.end(served.get(path));
  });
  const { origin, close } = await listen(server);
  const browser = spawn(command, flags(profile, `${origin}/`), { stdio: 'ignore' });
  try {
    return await outcomes;
  } finally {
    const ended = new Promise((resolve) => browser.once('exit', resolve));
    browser.kill('SIGKILL');
    await ended;
    await close();
    // A browser's children outlive it by a moment and still write into the folder. What is left then is the system's to clear.
    try {
      rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    } catch (cause) {
      console.warn(`${profile} stays: ${(cause as Error).message}`);
    }
  }
}

const inChromium = (command: string) =>
  outcomesIn(command, (profile, url) => ['--headless', '--no-sandbox', `--user-data-dir=${profile}`, url]);

const inFirefox = (command: string, ...preferences: string[]) =>
  outcomesIn(command, (profile, url) => {
    const lines = ['"browser.shell.checkDefaultBrowser", false', ...preferences].map((one) => `user_pref(${one});\n`);
    writeFileSync(join(profile, 'user.js'), lines.join(''));
    return ['--headless', '--no-remote', '--profile', profile, url];
  });

const chromium = findBrowser('chromium', 'chromium-browser', 'google-chrome');
const firefox = findBrowser('firefox-esr', 'firefox');
const rgb = Array.from(ALPHA.rgb().data);

/** What holds in every browser. */
function expectEverywhere(outcomes: () => Outcomes): void {
  it.each([
    'alpha.png',
    'alpha.png, a Response',
    'alpha.png, an image element',
    'bytes of an iframe',
    'a Blob of an iframe',
    'a File of an iframe',
    'a URL of an iframe',
    'an image element of an iframe',
  ])('%s has the colors that Node and Pillow give, under transparency too', (name) => {
    expect(outcomes()[name]).toMatchObject({ size: [8, 8], rgb });
  });

  it('a JPEG has the pixels that Node and Pillow give', async () => {
    const { data } = await RawImage.read(join(ROOT, 'examples/dog.jpg'));
    expect(Buffer.from(outcomes()['dog.jpg'].rgb).equals(Buffer.from(data))).toBe(true);
  });

  it('colors under transparency are saved', () => {
    expect(outcomes()['colors under transparency, saved'].rgb).toEqual([9, 8, 7]);
  });

  it.each(['a canvas of 0×0', 'a detached OffscreenCanvas', 'a video without data', 'a closed ImageBitmap'])(
    '%s is a wrong argument',
    (name) => {
      expect(outcomes()[name]).toMatchObject({ code: 'ARG', message: expect.stringContaining('has no pixels') });
    },
  );

  it('an image element without a source is a wrong argument', () => {
    expect(outcomes()['an image element without a file'].code).toBe('ARG');
  });
}

/** What holds where canvases can be read. */
function expectCanvases(outcomes: () => Outcomes): void {
  it('pictures of other formats', () => {
    expect(outcomes()['colors.gif']).toMatchObject({ size: [8, 8], warnings: [] });
    expect(outcomes().svg).toMatchObject({ size: [2, 1], rgb: [255, 0, 0, 255, 255, 255] });
    expect(outcomes()['half a webp'].code).toBe('IMAGE');
    const { rgb, warnings } = outcomes()['alpha.webp'];
    // A browser that loses the colors says so.
    if (warnings.length === 0) expect(rgb.slice(0, 6)).toEqual(WEBP_COLORS);
    else expect(warnings[0]).toMatch(/no colors under transparency/);
  });

  it('canvases, and ImageData of an iframe', () => {
    expect(outcomes()['a canvas']).toMatchObject({ size: [2, 2], rgb: new Array(12).fill(0) });
    expect(outcomes()['an ImageData of an iframe']).toMatchObject({ size: [2, 2] });
    expect(outcomes()['a transferred canvas']).toMatchObject({
      code: 'ARG',
      message: expect.stringContaining('transferred'),
    });
  });
}

describe.skipIf(chromium === undefined)('pictures in Chromium', () => {
  let outcomes: Outcomes;
  beforeAll(async () => {
    outcomes = await inChromium(chromium!);
  }, START_MS);
  expectEverywhere(() => outcomes);
  expectCanvases(() => outcomes);
  it('WebP keeps its colors', () => expect(outcomes['alpha.webp'].warnings).toEqual([]));
});

describe.skipIf(firefox === undefined)('pictures in Firefox', () => {
  let outcomes: Outcomes;
  beforeAll(async () => {
    outcomes = await inFirefox(firefox!);
  }, START_MS);
  expectEverywhere(() => outcomes);
  expectCanvases(() => outcomes);
});

describe.skipIf(firefox === undefined)('pictures in Firefox that changes what canvases give', () => {
  let outcomes: Outcomes;
  beforeAll(async () => {
    outcomes = await inFirefox(firefox!, '"privacy.resistFingerprinting", true');
  }, START_MS);
  expectEverywhere(() => outcomes);

  it('says so once', () => {
    const said = Object.values(outcomes).flatMap(({ warnings }) => warnings);
    expect(said.filter((warning) => warning.includes('privacy.resistFingerprinting'))).toHaveLength(1);
  });

  it.each(['a canvas', 'colors.gif', 'svg'])('%s, which would be noise, is refused by its cause', (name) => {
    expect(outcomes[name]).toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('privacy.resistFingerprinting'),
    });
  });
});
