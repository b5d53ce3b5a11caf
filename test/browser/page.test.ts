/** The page in examples/browser, used as people use it: real clicks, keys, drops and pictures, in a real browser. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { serve } from '../../examples/browser/serve.mjs';
import { type ImageClassificationPipeline, pipeline } from '../../src/entries/main-node.js';
import { ROOT } from '../helpers/cli.js';
import { DOGS } from '../helpers/models.js';
import { findChromium } from './chromium.js';

const executablePath = findChromium();
const HUSKY = join(ROOT, 'examples/husky.png');
const MALAMUTE = 'malamute, malemute, Alaskan malamute';

const CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

describe.skipIf(executablePath === undefined)('the page', () => {
  let folder: string;
  let origin: string;
  let plainOrigin: string;
  let browser: Browser;
  let classify: ImageClassificationPipeline;
  const faults: string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-page-'));
    execFileSync(process.execPath, [join(ROOT, 'examples/browser/build.mjs'), folder]);
    origin = `http://localhost:${await serve(folder)}`;
    plainOrigin = `http://localhost:${await serve(folder, 0, {})}`;
    browser = await chromium.launch({ executablePath: executablePath!, args: CAMERA });
    classify = await pipeline('image-classification');
  });
  afterAll(async () => {
    classify?.dispose();
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  // Also what the page's policy forbids is an error in the console.
  afterEach(() => {
    expect(faults.splice(0)).toEqual([]);
  });

  async function open(options: BrowserContextOptions = {}, at = origin): Promise<Page> {
    const context = await browser.newContext({ serviceWorkers: 'block', ...options });
    const page = await context.newPage();
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    await page.goto(at);
    await modelIs(page, 'mobilenet_v2_1.0_224: classifies 1001 classes');
    return page;
  }

  const modelIs = (page: Page, text: string) =>
    expect.poll(() => page.locator('#model').textContent(), { timeout: 30_000 }).toContain(text);
  /** Nothing is being computed. */
  const settled = (page: Page) =>
    expect.poll(() => page.evaluate(() => document.body.ariaBusy), { timeout: 60_000 }).toBe('false');
  const labels = (page: Page) =>
    page.locator('#labels button').evaluateAll((rows) => rows.map((row) => (row as HTMLElement).innerText.split('\n')));

  async function expectHusky(page: Page, label = MALAMUTE): Promise<void> {
    await expect.poll(() => page.locator('#headline').textContent(), { timeout: 60_000 }).toBe(label);
    await settled(page);
    expect(await page.locator('#status').textContent()).toBe('');
  }

  /** As Node has them, in the page's words. */
  async function expectLabelsOfNode(page: Page, pipeline = classify): Promise<void> {
    const expected = await pipeline(HUSKY);
    const shown = await labels(page);
    expect(shown.map(([label]) => label)).toEqual(expected.map(({ label }) => label));
    for (const [n, [, share]] of shown.entries()) {
      expect(Math.abs(Number.parseFloat(share) / 100 - expected[n].score)).toBeLessThan(0.0006); // it is rounded
    }
  }

  /** Files or folders, dropped by the browser itself. */
  async function drop(page: Page, files: string[]): Promise<void> {
    const session = await page.context().newCDPSession(page);
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
      const data = { items: [], files, dragOperationsMask: 1 };
      await session.send('Input.dispatchDragEvent', { type, x: 200, y: 300, data });
    }
  }

  it('names a chosen picture as Node does', async () => {
    const page = await open();
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.locator('#choose').click()]);
    await chooser.setFiles(HUSKY);
    await expectHusky(page);
    await expectLabelsOfNode(page);
    expect(await page.locator('#ms').textContent()).toMatch(/^\d+(\.\d+)?\sms$/);
    expect(await page.locator('#picture').getAttribute('alt')).toContain(MALAMUTE);
    await page.context().close();
  });

  it('takes a picture that is dropped', async () => {
    const page = await open();
    await drop(page, [HUSKY]);
    await expectHusky(page);
    await expectLabelsOfNode(page);
    await page.context().close();
  });

  it('takes a picture that is pasted', async () => {
    const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
    await page.evaluate(async () => {
      const picture = await (await fetch('samples/husky.png')).blob();
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': picture })]);
    });
    await page.keyboard.press('Control+V');
    await expectHusky(page);
    await expectLabelsOfNode(page);
    await page.context().close();
  });

  it('says what is wrong with a file that is no picture, and goes on', async () => {
    const page = await open();
    await page
      .locator('#file')
      .setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await expect.poll(() => page.locator('#status').textContent()).toContain('a.png');
    expect(await page.locator('#headline').textContent()).toBe('No picture yet.');
    await page.locator('#file').setInputFiles(HUSKY);
    await expectHusky(page);
    await page.context().close();
  });

  it('shows why: the map of Node, over the picture', async () => {
    const page = await open();
    await page.locator('#file').setInputFiles(HUSKY);
    await expectHusky(page);
    expect(await page.locator('#overlay').isVisible()).toBe(false);
    await page.locator('#labels button').nth(1).click();
    await page.locator('#overlay').waitFor();
    expect(await page.locator('#labels button').nth(1).getAttribute('aria-pressed')).toBe('true');
    const [under, over] = await Promise.all(['#picture', '#overlay'].map((id) => page.locator(id).boundingBox()));
    expect(over).toEqual(under);
    const alphas = await page.evaluate(() => {
      const source = document.querySelector<HTMLCanvasElement>('#overlay')!;
      const context = new OffscreenCanvas(source.width, source.height).getContext('2d')!;
      context.drawImage(source, 0, 0);
      const { data } = context.getImageData(0, 0, source.width, source.height);
      return Array.from(data.filter((_, at) => at % 4 === 3));
    });
    const { label, heatmap } = await classify.explain(HUSKY, (await labels(page))[1][0]);
    expect(label).toBe('Eskimo dog, husky');
    const expected = heatmap.data.filter((_, at) => at % 4 === 3);
    expect(alphas.length).toBe(expected.length);
    expect(Math.max(...alphas)).toBeGreaterThan(200);
    expect(Math.max(...alphas.map((alpha, at) => Math.abs(alpha - expected[at])))).toBeLessThanOrEqual(1);
    // Any other class by its name, and off again.
    await page.locator('#why').selectOption('pug, pug-dog');
    await expect.poll(() => page.locator('#why-note').textContent()).toContain('speaks for pug, pug-dog');
    await page.locator('#why').selectOption('');
    await expect.poll(() => page.locator('#overlay').isVisible()).toBe(false);
    await page.context().close();
  });

  it('shows every layer, and what it made of the picture once opened', async () => {
    const page = await open();
    await page.locator('#file').setInputFiles(HUSKY);
    await expectHusky(page);
    await page.locator('#inside-open').click();
    await page.locator('.layer').first().waitFor();
    const names = await page
      .locator('.layer')
      .evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset.name));
    expect(names).toEqual(classify.model.graph.nodes.map(({ name }) => name));
    expect(await page.locator('.residual').count()).toBe(10); // Table 2 at output stride 32
    expect(await page.locator('.tiles canvas').count()).toBe(0);
    const times = await page.locator('.layer .ms').allTextContents();
    expect(times.filter((time) => /\sms$/.test(time)).length).toBe(54); // the fused steps
    const layer = page.locator('.layer[data-name="layer.1.conv_3x3"]');
    await layer.locator('summary').click();
    await layer.locator('canvas').waitFor();
    const { processor, model } = classify;
    const { load_image } = await import('../../src/entries/main-node.js');
    const { pixel_values } = await processor(await load_image(HUSKY));
    const values = (await model.activations(pixel_values, ['layer.1.conv_3x3'])).get('layer.1.conv_3x3')!;
    const zeros = values.data.filter((value) => value === 0).length / values.size;
    const text = await layer.locator('.tiles').innerText();
    expect(text).toContain('144 maps, 56×56 values each, from 0.00 to 6.00');
    expect(text).toContain(`${(100 * zeros).toFixed(0)} % zero`);
    expect(text).toContain('a value sees 19 × 19 pixels');
    await page.context().close();
  });

  it('switches engines and threads, and the answer stays', async () => {
    const page = await open();
    await page.locator('#file').setInputFiles(HUSKY);
    await expectHusky(page);
    for (const engine of ['js', 'reference', 'wasm']) {
      await page.locator(`label[for=${engine}]`).click();
      await settled(page);
      await expectHusky(page);
      await expectLabelsOfNode(page);
      expect(await page.locator(`#${engine}`).isChecked()).toBe(true);
      expect(await page.locator('#ms-note').textContent()).toMatch(/passe?s?/);
    }
    const counts = await page.locator('#threads option').allTextContents();
    expect(counts.length).toBe(Math.min(8, await page.evaluate(() => navigator.hardwareConcurrency)));
    // The library's own threads, started by the page's worker.
    const session = await browser.newBrowserCDPSession();
    const helpers = async () => {
      const { targetInfos } = await session.send('Target.getTargets');
      return targetInfos.filter(({ type, url }) => type === 'worker' && url.startsWith(`blob:${origin}`)).length;
    };
    await expect.poll(helpers, { timeout: 10_000 }).toBe(counts.length - 1);
    await page.locator('#threads').selectOption('1');
    await settled(page);
    await expectHusky(page);
    expect(await page.locator('#threads').inputValue()).toBe('1');
    await expect.poll(helpers, { timeout: 10_000 }).toBe(0);
    await page.context().close();
  });

  it('stays responsive while the slowest engine computes', async () => {
    const page = await open();
    await page.locator('label[for=reference]').click();
    await settled(page);
    await page.evaluate(() => {
      const seen = { frames: 0, busy: 0 };
      const count = () => {
        seen.frames++;
        if (document.body.ariaBusy === 'true') seen.busy++;
        requestAnimationFrame(count);
      };
      requestAnimationFrame(count);
      Object.assign(window, { seen });
    });
    await page.locator('#file').setInputFiles(HUSKY);
    await expectHusky(page);
    const { busy } = await page.evaluate(() => (window as unknown as { seen: { busy: number } }).seen);
    // A page that computed by itself would draw once before and once after.
    expect(busy).toBeGreaterThan(5);
    await page.context().close();
  });

  it('takes the folder of a model that is dropped, and goes back', async () => {
    const page = await open();
    await page.locator('#file').setInputFiles(HUSKY);
    await expectHusky(page);
    await drop(page, [DOGS]);
    await modelIs(page, 'dogs: classifies 19 classes at 160 × 160');
    await expectHusky(page, 'Siberian husky');
    using dogs = await pipeline('image-classification', DOGS);
    await expectLabelsOfNode(page, dogs);
    await page.locator('button[data-model]').first().click();
    await modelIs(page, 'mobilenet_v2_1.0_224: classifies 1001 classes');
    await expectHusky(page);
    await page.context().close();
  });

  it('takes weights that lie alone, and says what is wrong with others', async () => {
    const page = await open();
    await page.locator('#model-files').setInputFiles(join(DOGS, 'model.safetensors'));
    await modelIs(page, 'model.safetensors: classifies 19 classes at 224 × 224, 2,248,211 parameters');
    await page.locator('#file').setInputFiles(HUSKY);
    await expect.poll(() => page.locator('#headline').textContent(), { timeout: 60_000 }).toMatch(/^class \d+$/);
    await settled(page);
    const broken = { name: 'b.safetensors', mimeType: '', buffer: Buffer.from('{"a": 1} and no more than that') };
    await page.locator('#model-files').setInputFiles(broken);
    await expect.poll(() => page.locator('#status').textContent()).toContain('b.safetensors is no safetensors file');
    expect(await page.locator('#model').textContent()).toContain('model.safetensors');
    await page.context().close();
  });

  it('is used by keyboard alone', async () => {
    const page = await open();
    /** Tabs on to an element, whose focus can be seen. */
    const tabTo = async (selector: string) => {
      for (let n = 0; n < 120; n++) {
        await page.keyboard.press('Tab');
        if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
      }
      throw new Error(`no way to ${selector} by Tab`);
    };
    const ringed = () => page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
    await tabTo('.sample');
    expect(await ringed()).toBe('solid');
    await page.keyboard.press('Enter');
    await expectHusky(page);
    await tabTo('#labels button');
    expect(await ringed()).toBe('solid');
    await page.keyboard.press('Enter');
    await page.locator('#overlay').waitFor();
    await settled(page);
    await tabTo('#wasm');
    await page.keyboard.press('ArrowRight');
    await settled(page);
    expect(await page.locator('#js').isChecked()).toBe(true);
    await tabTo('#inside-open');
    await page.keyboard.press('Enter');
    await page.locator('.layer').first().waitFor();
    await tabTo('.layer summary');
    await page.keyboard.press('Enter');
    await page.locator('.layer canvas').waitFor();
    // All that can be used has a name.
    const nameless = await page.locator('button, select, input:not([hidden])').evaluateAll((all) =>
      all
        .map((one) => one as HTMLInputElement)
        .filter((one) => !one.innerText && !one.labels?.length && !one.querySelector('img[alt]:not([alt=""])'))
        .map((one) => one.outerHTML),
    );
    expect(nameless).toEqual([]);
    await page.context().close();
  });

  it('fits a phone', async () => {
    const page = await open({ viewport: { width: 360, height: 740 } });
    await page.locator('.sample').nth(1).click();
    await expectHusky(page);
    await page.locator('#inside-open').click();
    await page.locator('.layer').first().waitFor();
    await page.locator('.layer summary').nth(4).click();
    await page.locator('.layer canvas').waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    await page.context().close();
  });

  it('films: the newest frame is looked at until it is told to stop', async () => {
    const page = await open({ permissions: ['camera'] });
    await page.locator('#camera').click();
    await expect.poll(() => page.locator('#labels button').count(), { timeout: 30_000 }).toBe(5);
    expect(await page.locator('#film').isVisible()).toBe(true);
    const changes = await page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          let count = 0;
          const observer = new MutationObserver(() => {
            if (++count < 5) return;
            observer.disconnect();
            resolve(count);
          });
          observer.observe(document.querySelector('#labels')!, { childList: true });
        }),
    );
    expect(changes).toBe(5);
    await page.locator('#labels button').first().click();
    await page.locator('#overlay').waitFor();
    await page.locator('#camera').click();
    await expect.poll(() => page.locator('#film').isVisible()).toBe(false);
    expect(await page.evaluate(() => document.querySelector('video')!.srcObject)).toBeNull();
    await page.locator('.sample').first().click();
    await expectHusky(page);
    await page.context().close();
  });

  it('works without a network on the second visit, with threads though the host sends no headers', async () => {
    const page = await open({ serviceWorkers: 'allow' }, plainOrigin);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    expect(await page.locator('#threads').isDisabled()).toBe(true);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.context().setOffline(true);
    await page.reload();
    await modelIs(page, 'mobilenet_v2_1.0_224: classifies 1001 classes');
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await page.locator('.sample').first().click();
    await expectHusky(page);
    await expectLabelsOfNode(page);
    await page.context().close();
  });

  it('segments, with a legend of what is where', async () => {
    const page = await open();
    await page.locator('button[data-model]').nth(1).click();
    await modelIs(page, 'deeplabv3_mobilenet_v2_0.5_513: segments 21 classes at 513 × 513');
    await page.locator('#file').setInputFiles(HUSKY);
    await expect.poll(() => page.locator('#headline').textContent(), { timeout: 60_000 }).toMatch(/^dog\b/);
    await settled(page);
    const segment = await pipeline('image-segmentation');
    const masks = await segment(HUSKY, { wholeImage: true });
    segment.dispose();
    const expected = masks
      .map(({ label, mask }) => ({ label, share: mask.data.filter((value) => value > 0).length / mask.data.length }))
      .sort((a, b) => b.share - a.share);
    const legend = await page.locator('#legend li').allInnerTexts();
    expect(legend.map((line) => line.replace(/ [\d.]+ %$/, ''))).toEqual(expected.map(({ label }) => label));
    for (const [n, line] of legend.entries()) {
      expect(Math.abs(Number.parseFloat(/([\d.]+) %$/.exec(line)![1]) / 100 - expected[n].share)).toBeLessThan(0.0006);
    }
    await page.locator('#overlay').waitFor();
    await page.locator('#opacity').fill('20');
    expect(await page.locator('#overlay').evaluate((canvas) => canvas.style.opacity)).toBe('0.2');
    await page.locator('#inside-open').click();
    await page.locator('.layer[data-name="segmentation_head.conv_projection"] summary').click();
    await page.locator('.layer canvas').waitFor();
    await page.context().close();
  });

  it('is a folder that holds all it asks for', () => {
    const text = readFileSync(join(folder, 'index.html'), 'utf8') + readFileSync(join(folder, 'style.css'), 'utf8');
    expect(text).not.toMatch(/(src|href)="(https?:)?\/\/(?!arxiv\.org)/);
    expect(readdirSync(folder)).toEqual(
      expect.arrayContaining(['index.html', 'page.js', 'worker.js', 'sw.js', 'models']),
    );
  });
});
