/** Films and all that a browser can draw, as pictures: in a real browser, from its own classes. */
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Library from '../../src/entries/main-web.js';
import type { Loopback } from '../helpers/loopback.js';
import { findChromium } from './chromium.js';
import { serve } from './server.js';

const executablePath = findChromium();
const PAGE = '/test/browser/library.html';
const HTML =
  '<!doctype html><script type="module">import * as lib from "/dist/entries/main-web.js"; Object.assign(window, { lib });</script>';

/** What the scripts in the page find there. */
declare global {
  var lib: typeof Library;
  /** A film that shows a new colour `perSecond` times a second, until `stop`. */
  var film: (perSecond: number) => Promise<{ video: HTMLVideoElement; shown: () => number; stop: () => void }>;
}

describe.skipIf(executablePath === undefined)('in Chromium', () => {
  let browser: Browser;
  let server: Loopback;
  let page: Page;

  beforeAll(async () => {
    server = await serve(new Map([[PAGE, HTML]]));
    browser = await chromium.launch({ executablePath: executablePath! });
    page = await browser.newPage();
    await page.goto(server.origin + PAGE);
    await page.waitForFunction(() => 'lib' in globalThis);
    await page.evaluate(() => {
      globalThis.film = async (perSecond) => {
        const canvas = document.createElement('canvas');
        canvas.width = 64;
        canvas.height = 48;
        const context = canvas.getContext('2d')!;
        let count = 0;
        const paint = () => {
          context.fillStyle = count++ % 2 === 0 ? '#c02020' : '#2020c0';
          context.fillRect(0, 0, 64, 48);
        };
        const timer = setInterval(paint, 1000 / perSecond);
        paint();
        const video = document.createElement('video');
        video.muted = true;
        const stream = canvas.captureStream();
        video.srcObject = stream;
        document.body.append(video);
        await video.play();
        const stop = () => {
          clearInterval(timer);
          for (const track of stream.getTracks()) track.stop();
        };
        return { video, shown: () => count, stop };
      };
    });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  it('everything that can be drawn is a picture, with the same pixels', async () => {
    const got = await page.evaluate(async () => {
      const { load_image, RawImage } = lib;
      const canvas = new OffscreenCanvas(5, 3);
      const context = canvas.getContext('2d')!;
      for (let x = 0; x < 5; x++) {
        for (let y = 0; y < 3; y++) {
          context.fillStyle = `rgb(${40 * x} ${80 * y} 200)`;
          context.fillRect(x, y, 1, 1);
        }
      }
      const data = context.getImageData(0, 0, 5, 3);
      const blob = await canvas.convertToBlob({ type: 'image/png' });
      const element = document.createElement('canvas');
      element.width = 5;
      element.height = 3;
      element.getContext('2d')!.putImageData(data, 0, 0);
      const image = new Image();
      image.src = URL.createObjectURL(blob);
      await image.decode();
      const forms = {
        Blob: blob,
        Uint8Array: new Uint8Array(await blob.arrayBuffer()),
        ImageData: data,
        OffscreenCanvas: canvas,
        HTMLCanvasElement: element,
        HTMLImageElement: image,
        ImageBitmap: await createImageBitmap(data),
        VideoFrame: new VideoFrame(canvas, { timestamp: 0 }),
      };
      const results: Record<string, number[]> = {};
      for (const [name, form] of Object.entries(forms)) {
        const { width, height, data: pixels } = (await load_image(form as ImageBitmap)).rgb();
        results[name] = [width, height, ...pixels];
      }
      forms.VideoFrame.close();
      const toRaw = RawImage.fromDrawable(forms.ImageBitmap);
      return { results, channels: toRaw.channels };
    });
    expect(got.channels).toBe(4);
    const expected = [5, 3];
    for (let y = 0; y < 3; y++) for (let x = 0; x < 5; x++) expected.push(40 * x, 80 * y, 200);
    expect(Object.keys(got.results)).toHaveLength(8);
    for (const [name, pixels] of Object.entries(got.results)) expect(pixels, name).toEqual(expected);
  });

  it('a video gives the frame it shows, and its label', async () => {
    const got = await page.evaluate(async () => {
      const { video, stop } = await film(10);
      const picture = await lib.load_image(video);
      const classify = await lib.pipeline('image-classification', '/examples/dogs', { threads: 1 });
      const [byVideo] = await classify(video, { top_k: 1 });
      const bitmap = await createImageBitmap(new ImageData(new Uint8ClampedArray(picture.rgba().data), 64, 48));
      const [byBitmap] = await classify(bitmap, { top_k: 1 });
      classify.dispose();
      stop();
      return { size: picture.size, first: [...picture.data.slice(0, 3)], byVideo, byBitmap };
    });
    expect(got.size).toEqual([64, 48]);
    const red = got.first[0] > 128;
    expect(got.first[0] > got.first[2]).toBe(red);
    expect(got.byVideo.score).toBeGreaterThan(0);
    expect(got.byBitmap.label).toBeTruthy();
  });

  it.each(['a closed bitmap', 'a closed frame', 'a video without a film', 'an image without a source'])(
    'refuses %s',
    async (what) => {
      const code = await page.evaluate(async (name) => {
        const bitmap = await createImageBitmap(new ImageData(2, 2));
        const frame = new VideoFrame(bitmap, { timestamp: 0 });
        bitmap.close();
        frame.close();
        const forms: Record<string, unknown> = {
          'a closed bitmap': bitmap,
          'a closed frame': frame,
          'a video without a film': document.createElement('video'),
          'an image without a source': new Image(),
        };
        return lib.load_image(forms[name] as ImageBitmap).then(
          () => 'nothing',
          (error) => error.code,
        );
      }, what);
      expect(code).toBe('ARG');
    },
  );

  it.each([true, false])('everyFrame drops frames and never queues them (frame callbacks: %s)', async (callbacks) => {
    const got = await page.evaluate(async (withCallbacks) => {
      const { video, shown, stop } = await film(30);
      if (!withCallbacks) Object.defineProperty(video, 'requestVideoFrameCallback', { value: undefined });
      const abort = new AbortController();
      const began = shown();
      let [running, overlaps, calls] = [0, 0, 0];
      const sizes = new Set<string>();
      const frames: ImageBitmap[] = [];
      const count = await lib.everyFrame(
        video,
        async (frame) => {
          if (running++ > 0) overlaps++;
          sizes.add(`${frame.width}×${frame.height}`);
          frames.push(frame);
          await new Promise((resolve) => setTimeout(resolve, 150)); // five frames pass by
          running--;
          if (++calls === 6) abort.abort();
        },
        { signal: abort.signal },
      );
      const passed = shown() - began;
      stop();
      return { count, calls, overlaps, passed, sizes: [...sizes], closed: frames.every(({ width }) => width === 0) };
    }, callbacks);
    expect(got).toMatchObject({ count: 6, calls: 6, overlaps: 0, sizes: ['64×48'], closed: true });
    expect(got.passed).toBeGreaterThan(got.count);
  });

  it('everyFrame ends with the film, and at once for a signal that was given', async () => {
    const got = await page.evaluate(async () => {
      const { video, stop } = await film(20);
      let calls = 0;
      const none = await lib.everyFrame(video, () => calls++, { signal: AbortSignal.abort() });
      const some = await lib.everyFrame(video, () => {
        if (++calls === 3) stop();
      });
      const after = await lib.everyFrame(video, () => calls++);
      return { none, some, after, calls };
    });
    expect(got.none).toBe(0);
    expect(got.some).toBeGreaterThanOrEqual(3);
    expect(got.after).toBe(0);
    expect(got.calls).toBe(got.some);
  });

  it('everyFrame ends where a film ends', async () => {
    const got = await page.evaluate(async () => {
      const { video, stop } = await film(20);
      const recorder = new MediaRecorder(video.srcObject as MediaStream, { mimeType: 'video/webm' });
      const parts: Blob[] = [];
      recorder.ondataavailable = ({ data }) => parts.push(data);
      recorder.start();
      await new Promise((resolve) => setTimeout(resolve, 600));
      const stopped = new Promise((resolve) => recorder.addEventListener('stop', resolve));
      recorder.stop();
      await stopped;
      stop();
      const short = document.createElement('video');
      short.muted = true;
      short.src = URL.createObjectURL(new Blob(parts, { type: 'video/webm' }));
      document.body.append(short);
      let calls = 0;
      const loop = lib.everyFrame(short, () => calls++); // before it has begun
      await short.play();
      return { count: await loop, calls, ended: short.ended };
    });
    expect(got.ended).toBe(true);
    expect(got.count).toBe(got.calls);
    expect(got.count).toBeGreaterThan(0);
  });

  it('everyFrame waits while the film is paused, and stops then too', async () => {
    const got = await page.evaluate(async () => {
      const { video, stop } = await film(20);
      const abort = new AbortController();
      let calls = 0;
      const loop = lib.everyFrame(video, () => calls++, { signal: abort.signal });
      await new Promise((resolve) => setTimeout(resolve, 300));
      video.pause();
      await new Promise((resolve) => setTimeout(resolve, 200));
      const paused = calls;
      await new Promise((resolve) => setTimeout(resolve, 300));
      const later = calls;
      abort.abort();
      const count = await loop;
      stop();
      return { paused, later, calls, count };
    });
    expect(got.paused).toBeGreaterThan(0);
    expect(got.later).toBe(got.paused);
    expect(got.count).toBe(got.calls);
  });

  it('everyFrame throws what the work throws, and refuses what is not a video', async () => {
    const got = await page.evaluate(async () => {
      const { video, stop } = await film(20);
      const thrown = await lib
        .everyFrame(video, () => {
          throw new Error('enough');
        })
        .catch((error: Error) => error.message);
      stop();
      const refused = await lib.everyFrame({} as HTMLVideoElement, () => {}).catch((error) => error.code);
      return { thrown, refused };
    });
    expect(got).toEqual({ thrown: 'enough', refused: 'ARG' });
  });
});
