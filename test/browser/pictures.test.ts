/** Pictures in Chromium, WebKitGTK and Firefox, with and without protection against fingerprinting, against those of Node. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { RawImage } from '../../src/entries/main-node.js';
import { ROOT } from '../helpers/cli.js';
import { findBrowser, findChromium } from './chromium.js';
import { type Open, openInChromium, openInFirefox, reportOf } from './report.js';
import { findWebKit, openInWebKit } from './webkit.js';
import { bundle } from './whole-page.js';

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
  return new Map<string, string | Uint8Array>([
    ['/', HTML],
    ['/bundle.js', await bundle("export * from 'mobilenet-v2';")],
    ['/pictures.mjs', readFileSync(join(ROOT, 'test/browser/pictures.mjs'))],
    ['/alpha.png', new Uint8Array(await (await ALPHA.toBlob()).arrayBuffer())],
    ['/alpha.webp', Buffer.from(WEBP, 'base64')],
    ['/colors.gif', Buffer.from(GIF, 'base64')],
    ['/dog.jpg', readFileSync(join(ROOT, 'examples/dog.jpg'))],
  ]);
}

/** What a page in a browser of its own sends. */
async function outcomesIn(open: Open): Promise<Outcomes> {
  const served = await files();
  return reportOf(open, '/', (path) => {
    const body = served.get(path);
    if (body === undefined) throw new Error(`no ${path}`);
    return body;
  });
}

const chromium = findChromium();
const webkit = findWebKit();
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
    outcomes = await outcomesIn(openInChromium(chromium!));
  }, START_MS);
  expectEverywhere(() => outcomes);
  expectCanvases(() => outcomes);
  it('WebP keeps its colors', () => expect(outcomes['alpha.webp'].warnings).toEqual([]));
});

describe.skipIf(webkit === undefined)('pictures in WebKitGTK', () => {
  let outcomes: Outcomes;
  beforeAll(async () => {
    outcomes = await outcomesIn(openInWebKit(webkit!, {}));
  }, START_MS);
  expectEverywhere(() => outcomes);
  expectCanvases(() => outcomes);
});

describe.skipIf(firefox === undefined)('pictures in Firefox', () => {
  let outcomes: Outcomes;
  beforeAll(async () => {
    outcomes = await outcomesIn(openInFirefox(firefox!));
  }, START_MS);
  expectEverywhere(() => outcomes);
  expectCanvases(() => outcomes);
});

describe.skipIf(firefox === undefined)('pictures in Firefox that changes what canvases give', () => {
  let outcomes: Outcomes;
  beforeAll(async () => {
    outcomes = await outcomesIn(openInFirefox(firefox!, '"privacy.resistFingerprinting", true'));
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
