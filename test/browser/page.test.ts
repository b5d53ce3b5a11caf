/** The page in examples/browser, used as people use it: real clicks, keys, drops and pictures, in a real browser. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { serve } from '../../examples/browser/serve.mjs';
import { type ImageClassificationPipeline, pipeline } from '../../src/entries/main-node.js';
import { ROOT } from '../helpers/cli.js';
import { DOGS } from '../helpers/models.js';
import { findChromium } from './chromium.js';
import { drop, newPage, settled, startPage } from './visit.js';

const executablePath = findChromium();
const HUSKY = join(ROOT, 'examples/husky.png');
/** The first of its names is what the page shows. */
const MALAMUTE = 'malamute';
const first = (label: string) => label.split(', ')[0];

/** A bundle, a browser and a network, on a busy machine. */
const START_MS = 120_000;

describe.skipIf(executablePath === undefined)('the page', () => {
  let folder: string;
  let origin: string;
  let plainOrigin: string;
  let browser: Browser;
  let close: (() => Promise<void>) | undefined;
  let classify: ImageClassificationPipeline;
  const faults: string[] = [];

  beforeAll(async () => {
    ({ folder, origin, browser, close } = await startPage(executablePath!));
    plainOrigin = `http://localhost:${await serve(folder, 0, {})}`;
    classify = await pipeline('image-classification');
  }, START_MS);
  afterAll(async () => {
    classify?.dispose();
    await close?.();
  });
  // Also what the page's policy forbids is an error in the console.
  afterEach(() => {
    expect(faults.splice(0)).toEqual([]);
  });

  async function open(options: BrowserContextOptions = {}, at = origin): Promise<Page> {
    const page = await newPage(browser, options, faults);
    await page.goto(at);
    await settled(page);
    return page;
  }

  const modelIs = (page: Page, text: string) =>
    expect.poll(() => page.locator('#model').textContent(), { timeout: 60_000 }).toContain(text);
  const labels = (page: Page) =>
    page
      .locator('#labels button')
      .evaluateAll((rows) =>
        rows.map((row) => [...row.querySelectorAll('span:not(.bar)')].map(({ textContent }) => textContent ?? '')),
      );

  async function expectHusky(page: Page, label = MALAMUTE): Promise<void> {
    await expect.poll(() => page.locator('#headline').textContent(), { timeout: 60_000 }).toBe(label);
    await settled(page);
    expect(await page.locator('#status').textContent()).toBe('');
  }

  /** As Node has them, in the page's words. */
  async function expectLabelsOfNode(page: Page, pipeline = classify): Promise<void> {
    const expected = await pipeline(HUSKY);
    const shown = await labels(page);
    expect(shown.map(([label]) => label)).toEqual(expected.map(({ label }) => first(label)));
    for (const [n, [, share]] of shown.entries()) {
      expect(Math.abs(Number.parseFloat(share) / 100 - expected[n].score)).toBeLessThan(0.0006); // it is rounded
    }
  }

  /** Pearson's, of two lists. */
  function correlation(a: number[], b: number[]): number {
    const mean = (list: number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
    const [meanA, meanB] = [mean(a), mean(b)];
    const covariance = (x: number[], mx: number, y: number[], my: number) =>
      mean(x.map((value, at) => (value - mx) * (y[at] - my)));
    const own = Math.sqrt(covariance(a, meanA, a, meanA) * covariance(b, meanB, b, meanB));
    return covariance(a, meanA, b, meanB) / own;
  }

  it('names a chosen picture as Node does', async () => {
    const page = await open();
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.locator('#choose').click()]);
    await chooser.setFiles(HUSKY);
    await expectHusky(page);
    await expectLabelsOfNode(page);
    const times = [...(await page.locator('#time').textContent())!.matchAll(/([\d.]+)\sms/g)].map(([, ms]) =>
      Number(ms),
    );
    expect(times.length).toBe(3);
    expect(times[0] + times[1]).toBeCloseTo(times[2], 6); // what is shown adds up
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
    await page.evaluate(async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const picture = new Blob([bytes], { type: 'image/png' });
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': picture })]);
    }, readFileSync(HUSKY).toString('base64'));
    await page.keyboard.press('Control+V');
    await expectHusky(page);
    await expectLabelsOfNode(page);
    await page.context().close();
  });

  it('opens alive: a sample is answered, and what speaks for the label glows', async () => {
    const page = await open();
    expect(await page.locator('#headline').textContent()).toBe('macaw');
    expect(await page.locator('#caption').innerText()).toMatch(/^macaw 99\.\d\s%$/);
    expect(await page.locator('#overlay').isVisible()).toBe(true);
    expect(await page.locator('#progress').isVisible()).toBe(false);
    await page.context().close();
  });

  it('tells how many bytes of the network have come', async () => {
    const page = await newPage(browser);
    await page.addInitScript(() => {
      const seen: string[] = [];
      Object.assign(window, { seen });
      new MutationObserver(() => seen.push(document.querySelector('#progress-text')?.textContent ?? '')).observe(
        document,
        {
          subtree: true,
          childList: true,
        },
      );
    });
    await page.goto(origin);
    await settled(page);
    const seen = await page.evaluate(() => (window as unknown as { seen: string[] }).seen);
    const steps = [...new Set(seen.map((text) => /([\d.]+)\sMB of [\d.]+\sMB/.exec(text)?.[1]).filter(Boolean))].map(
      Number,
    );
    expect(steps.length).toBeGreaterThan(2);
    expect(steps.toSorted((a, b) => a - b)).toEqual(steps);
    expect(steps.at(-1)).toBeCloseTo(
      statSync(join(ROOT, 'weights/mobilenet_v2_1.0_224/model.safetensors')).size / 1e6,
      1,
    );
    await page.context().close();
  });

  it('leaves everything as it was when a file is no picture, and says so', async () => {
    const page = await open();
    const before = await labels(page);
    await page
      .locator('#file')
      .setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await expect.poll(() => page.locator('#status').textContent()).toContain('a.png');
    await settled(page);
    expect(await page.locator('#headline').textContent()).toBe('macaw');
    expect(await labels(page)).toEqual(before);
    expect(await page.locator('#picture').isVisible()).toBe(true);
    expect(await page.locator('#overlay').isVisible()).toBe(true);
    // It still answers about the picture that is shown.
    await page.locator('#labels button').nth(1).click();
    await expect.poll(() => page.locator('#caption').textContent()).toContain('lorikeet');
    await page.locator('#file').setInputFiles(HUSKY);
    await expectHusky(page);
    await page.context().close();
  });

  it('shows why: as the map of Node, over the picture', async () => {
    const page = await open();
    await page.locator('#file').setInputFiles(HUSKY);
    await expectHusky(page);
    await page.locator('#labels button').nth(1).click();
    await expect.poll(() => page.locator('#caption').textContent()).toContain('Eskimo dog');
    await settled(page);
    expect(await page.locator('#labels button').nth(1).getAttribute('aria-pressed')).toBe('true');
    const [under, over] = await Promise.all(['#picture', '#overlay'].map((id) => page.locator(id).boundingBox()));
    for (const side of ['x', 'y', 'width', 'height'] as const) {
      expect(Math.abs(under![side] - over![side])).toBeLessThan(1);
    }
    const light = await page.evaluate(() => {
      const source = document.querySelector<HTMLCanvasElement>('#overlay')!;
      const context = new OffscreenCanvas(source.width, source.height).getContext('2d')!;
      context.drawImage(source, 0, 0);
      const { data } = context.getImageData(0, 0, source.width, source.height);
      return Array.from({ length: data.length / 4 }, (_, at) => data[4 * at]); // red rises with what speaks for it
    });
    const { heatmap } = await classify.explain(HUSKY, 'Eskimo dog, husky');
    expect(light.length).toBe(heatmap.width * heatmap.height);
    const node = Array.from(light, (_, at) => heatmap.data[4 * at + 3]);
    expect(correlation(light, node)).toBeGreaterThan(0.9); // one is smoother than the other
    // Any other class by its name, and the best again.
    await page.locator('#why').selectOption('pug, pug-dog');
    await expect.poll(() => page.locator('#why-note').textContent()).toContain('speaks for “pug”');
    await page.locator('#why').selectOption('');
    await expect.poll(() => page.locator('#why-note').textContent()).toContain(`speaks for “${MALAMUTE}”`);
    await page.locator('#intensity').fill('20');
    expect(await page.locator('#overlay').evaluate((canvas) => canvas.style.opacity)).toBe('0.2');
    await page.context().close();
  });

  /** What a number on the page is, and what the network has. */
  const sums = (page: Page) =>
    page
      .locator('#zoom .result')
      .first()
      .evaluate(({ dataset }) => [Number((dataset as DOMStringMap).sum), Number((dataset as DOMStringMap).network)]);
  async function expectSum(page: Page): Promise<number> {
    await expect.poll(async () => (await sums(page)).every(Number.isFinite), { timeout: 30_000 }).toBe(true);
    const [sum, network] = await sums(page);
    expect(Math.abs(sum - network)).toBeLessThan(1e-4 * Math.max(1, Math.abs(network)));
    return network;
  }

  it('shows the inside as one figure, down to a sum that is the network’s own number', async () => {
    const page = await open();
    await page.locator('#file').setInputFiles(HUSKY);
    await expectHusky(page);
    await page.locator('#inside').scrollIntoViewIfNeeded();
    await page.locator('#strip button').first().waitFor();
    const stages = await page.locator('#strip button').evaluateAll((all) => all.map((one) => one.dataset.stage));
    expect(stages.length).toBe(20);
    expect(await page.locator('#strip .shortcut').count()).toBe(10); // Table 2 at output stride 32
    // What is said in all is the sum of what is said of the stages.
    const times = await page
      .locator('#strip button')
      .evaluateAll((all) => all.map((one) => /\s([\d.]+)\sms$/.exec((one as HTMLElement).title)![1]));
    const all = times.reduce((sum, ms) => sum + Number(ms), 0);
    expect(await page.locator('#inside-note').textContent()).toContain(`${all.toFixed(1)}\u00a0ms`);
    // The block that is open: a depthwise layer, nine values, nine weights, nine products.
    await expectSum(page);
    expect(await page.locator('#zoom .nine').count()).toBe(3);
    const { processor, model } = classify;
    const { load_image } = await import('../../src/entries/main-node.js');
    const { pixel_values } = await processor(await load_image(HUSKY));
    const values = (await model.activations(pixel_values, ['layer.1.conv_3x3'])).get('layer.1.conv_3x3')!;
    const zeros = values.data.filter((value) => value === 0).length / values.size;
    const text = await page.locator('#zoom').innerText();
    expect(text).toContain('48 of 144 channels, the strongest first; 56 × 56 values each');
    expect(text).toContain(`${(100 * zeros).toFixed(1)}\u00a0% are zero`);
    expect(text).toContain('a value sees 19 × 19 pixels');
    // Where the paper says it, and the lines of code that do it.
    const source = page.locator('#zoom .source');
    const paper = 'https://ar5iv.labs.arxiv.org/html/1801.04381#S3.SS1';
    expect(await source.locator('a').first().getAttribute('href')).toBe(paper);
    expect(await source.locator('pre').textContent()).toContain('sum += x[((n * H + (h % rowsHeld)) * W + v) * C + c]');
    // Another value by a pointer, another by a key: both are computed as the network has them.
    const map = page.locator('#zoom .map');
    await map.scrollIntoViewIfNeeded();
    const { x, y, width, height } = (await map.boundingBox())!;
    await page.mouse.move(x + (20.5 / 56) * width, y + (30.5 / 56) * height);
    await expect.poll(() => page.locator('#zoom .result').innerText()).toContain('Row 30, column 20');
    const channel = Number(/Channel (\d+)/.exec(await page.locator('#zoom').innerText())![1]);
    expect(await expectSum(page)).toBeCloseTo(values.data[(channel * 56 + 30) * 56 + 20], 4);
    await page.locator('#zoom .choose').nth(1).press('ArrowRight');
    await expect.poll(() => page.locator('#zoom .result').innerText()).toContain('Row 30, column 21');
    expect(await expectSum(page)).toBeCloseTo(values.data[(channel * 56 + 30) * 56 + 21], 4);
    // 19 of 224 pixels.
    const [seen, field] = await Promise.all(
      ['.seen canvas', '.field'].map((one) => page.locator(`#zoom ${one}`).boundingBox()),
    );
    expect(field!.width / seen!.width).toBeCloseTo(19 / 224, 1);
    expect(field!.height / seen!.height).toBeCloseTo(19 / 224, 1);
    await page.locator('#zoom [data-layer="layer.1.expand_1x1"]').click();
    await page.locator('#zoom .terms').waitFor();
    await expectSum(page);
    expect(await page.locator('#zoom .terms li').count()).toBe(9); // the largest 8 of 24, and the others
    await page.locator('#strip [data-stage=conv_stem]').click();
    await page.locator('#zoom [data-layer="conv_stem.first_conv"]').click();
    await expect.poll(() => page.locator('#zoom .nine').count()).toBe(9); // of red, green and blue
    await expectSum(page);
    // What it sees is marked on the picture, also where the sum beside it is higher than the picture.
    const [row, column] = /Row (\d+), column (\d+)/.exec(await page.locator('#zoom .result').innerText())!.slice(1);
    const [image, mark] = await Promise.all(
      ['.seen canvas', '.field'].map((one) => page.locator(`#zoom ${one}`).boundingBox()),
    );
    expect((mark!.y - image!.y) / image!.height).toBeCloseTo((2 * Number(row)) / 224, 1);
    expect((mark!.x - image!.x) / image!.width).toBeCloseTo((2 * Number(column)) / 224, 1);
    // The end: channels that spoke for the label add up to its logit.
    await page.locator('#strip [data-stage=classifier]').click();
    await page.locator('#zoom .speakers').waitFor();
    expect(await page.locator('#zoom').innerText()).toContain(`What spoke for “${MALAMUTE}”`);
    const { logits } = await model({ pixel_values });
    expect(await expectSum(page)).toBeCloseTo(Math.max(...logits.data), 3);
    await page.context().close();
  });

  it('opens at the layer that a link names, and an engine may change under it', async () => {
    const page = await open({}, `${origin}/#sample=cat&layer=layer.3.reduce_1x1`);
    await page.locator('#inside').scrollIntoViewIfNeeded();
    await page.locator('#zoom .terms').waitFor({ timeout: 30_000 });
    expect(await page.locator('#zoom h3 code').textContent()).toBe('layer.3');
    await expectSum(page);
    await page.locator('#settings-open').click();
    await page.locator('label[for=js]').click();
    await settled(page);
    await page.keyboard.press('Escape');
    await page.locator('#inside').scrollIntoViewIfNeeded();
    expect(await page.locator('#zoom [aria-pressed=true]').getAttribute('data-layer')).toBe('layer.3.reduce_1x1');
    await expectSum(page);
    await page.context().close();
  });

  it('switches engines and threads, and the answer stays', async () => {
    const page = await open();
    await page.locator('#file').setInputFiles(HUSKY);
    await expectHusky(page);
    await page.locator('#settings-open').click();
    for (const engine of ['js', 'reference', 'wasm']) {
      await page.locator(`label[for=${engine}]`).click();
      await settled(page);
      await expectHusky(page);
      await expectLabelsOfNode(page);
      expect(await page.locator(`#${engine}`).isChecked()).toBe(true);
    }
    const counts = await page.locator('#threads option').allTextContents();
    expect(counts.length).toBe(Math.min(8, await page.evaluate(() => navigator.hardwareConcurrency)));
    // The library's own threads, started by the page's worker with the second picture that an engine is given.
    await page.locator('#file').setInputFiles(HUSKY);
    await settled(page);
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
    await page.locator('#settings-open').click();
    await page.locator('label[for=reference]').click();
    await settled(page);
    await page.locator('#settings-close').click();
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
    await modelIs(page, 'dogs: 19 classes at 160 × 160');
    await expectHusky(page, 'Siberian husky');
    using dogs = await pipeline('image-classification', DOGS);
    await expectLabelsOfNode(page, dogs);
    await page.locator('#settings-open').click();
    await page.locator('#shipped').click();
    await modelIs(page, 'mobilenet_v2_1.0_224: 1,001 classes');
    await expectHusky(page);
    await page.context().close();
  });

  it('takes weights that lie alone, and says what is wrong with others', async () => {
    const page = await open();
    await page.locator('#model-files').setInputFiles(join(DOGS, 'model.safetensors'));
    await modelIs(page, 'model.safetensors: 19 classes at 224 × 224, 2,248,211 parameters');
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
    await tabTo('[data-sample="cat.jpg"]');
    expect(await ringed()).toBe('solid');
    await page.keyboard.press('Enter');
    await expectHusky(page, 'Egyptian cat');
    await tabTo('#labels li:nth-child(2) button');
    expect(await ringed()).toBe('solid');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#caption').textContent()).toContain('tiger cat');
    await settled(page);
    await tabTo('#settings-open');
    await page.keyboard.press('Enter');
    await tabTo('#wasm');
    await page.keyboard.press('ArrowRight');
    await settled(page);
    expect(await page.locator('#js').isChecked()).toBe(true);
    await page.keyboard.press('Escape');
    await tabTo('button[data-mode=where]');
    await page.keyboard.press('Enter');
    await settled(page);
    await tabTo('#legend button');
    await expect.poll(() => page.locator('#caption').textContent()).toMatch(/cat [\d.]+/);
    await tabTo('#strip button[data-stage="layer.3"]');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#zoom h3 code').textContent()).toBe('layer.3');
    await page.locator('#zoom .result').waitFor();
    await tabTo('#zoom .choose');
    await page.keyboard.press('ArrowRight');
    await tabTo('#zoom .choose');
    await page.keyboard.press('ArrowDown');
    await expectSum(page);
    // All that can be used has a name.
    const nameless = await page.locator('button, select, input:not([hidden])').evaluateAll((all) =>
      all
        .map((one) => one as HTMLInputElement)
        .filter((one) => !one.innerText && !one.labels?.length && !one.ariaLabel && one.checkVisibility())
        .map((one) => one.outerHTML),
    );
    expect(nameless).toEqual([]);
    await page.context().close();
  });

  it('fits a phone: picture and answer are the first screen', async () => {
    const page = await open({ viewport: { width: 390, height: 844 } });
    await page.locator('[data-sample="dog.jpg"]').click();
    await expectHusky(page);
    const bottoms = await page
      .locator('#stage, #caption, #labels')
      .evaluateAll((all) => all.map((one) => one.getBoundingClientRect().bottom));
    expect(Math.max(...bottoms)).toBeLessThan(844);
    await page.locator('#inside').scrollIntoViewIfNeeded();
    await page.locator('#zoom .result').waitFor({ timeout: 30_000 });
    const [scrollWidth, scrollHeight] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.scrollHeight,
    ]);
    expect(scrollWidth).toBe(390);
    expect(scrollHeight).toBeLessThan(4000);
    // Nor does a narrow phone, or a window between two layouts, scroll sideways.
    for (const width of [320, 920]) {
      await page.setViewportSize({ width, height: 700 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    }
    await page.context().close();
  });

  it('films: the newest frame is looked at until it is told to stop', async () => {
    const page = await open({ permissions: ['camera'] });
    await page.locator('#camera').click();
    await page.locator('#video').waitFor();
    expect(await page.locator('#video').isVisible()).toBe(true);
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
    await page.locator('#overlay').waitFor();
    expect(await page.locator('#time').textContent()).toMatch(/^\d+ pictures a second/);
    await page.locator('#camera').click();
    await settled(page);
    expect(await page.locator('#video').isVisible()).toBe(false);
    expect(await page.evaluate(() => document.querySelector('video')!.srcObject)).toBeNull();
    await page.locator('[data-sample="dog.jpg"]').click();
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
    await settled(page);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await page.locator('[data-sample="dog.jpg"]').click();
    await expectHusky(page);
    await page.locator('#file').setInputFiles(HUSKY);
    await expectHusky(page);
    await expectLabelsOfNode(page);
    await page.locator('#inside').scrollIntoViewIfNeeded();
    await page.locator('#zoom .result').waitFor({ timeout: 60_000 });
    await expectSum(page);
    await page.context().close();
  });

  it('segments, with a legend of what is where that lights up what is pointed at', async () => {
    const page = await open();
    await page.locator('#file').setInputFiles(HUSKY);
    await page.locator('button[data-mode=where]').click();
    await expect.poll(() => page.locator('#headline').textContent(), { timeout: 60_000 }).toMatch(/^dog\b/);
    await settled(page);
    await modelIs(page, 'deeplabv3_mobilenet_v2_0.5_513: 21 classes at 513 × 513');
    const segment = await pipeline('image-segmentation');
    const masks = await segment(HUSKY, { wholeImage: true });
    segment.dispose();
    const expected = masks
      .map(({ label, mask }) => ({ label, share: mask.data.filter((value) => value > 0).length / mask.data.length }))
      .sort((a, b) => b.share - a.share);
    const legend = await page
      .locator('#legend button')
      .evaluateAll((rows) =>
        rows.map((row) => [...row.querySelectorAll('span')].slice(1).map((one) => one.textContent)),
      );
    expect(legend.map(([label]) => label)).toEqual(expected.map(({ label }) => label));
    for (const [n, [, share]] of legend.entries()) {
      expect(Math.abs(Number.parseFloat(share!) / 100 - expected[n].share)).toBeLessThan(0.0006);
    }
    // Edges are soft: alpha has many values, not two.
    const alphas = await page.evaluate(() => {
      const source = document.querySelector<HTMLCanvasElement>('#overlay')!;
      const context = new OffscreenCanvas(source.width, source.height).getContext('2d')!;
      context.drawImage(source, 0, 0);
      return new Set(context.getImageData(0, 0, source.width, source.height).data.filter((_, at) => at % 4 === 3)).size;
    });
    expect(alphas).toBeGreaterThan(50);
    // In the middle of the picture is the dog: pointed at, it is named with its share, on the picture as in the legend.
    const { x, y, width, height } = (await page.locator('#picture').boundingBox())!;
    await page.mouse.move(x + width / 2, y + height / 2);
    await expect.poll(() => page.locator('#caption').textContent()).toMatch(/^dog [\d.]+/);
    expect(await page.locator('#legend .pointed').innerText()).toContain('dog');
    await page.mouse.move(5, 5);
    await expect.poll(() => page.locator('#caption').textContent()).not.toMatch(/\d/);
    // The head: each of its layers with the channels that it makes, and two branches.
    await page.locator('#inside').scrollIntoViewIfNeeded();
    await page.locator('#strip [data-stage=segmentation_head]').click();
    await page.locator('.layers [data-layer="segmentation_head.concat"]').waitFor();
    const parts = page.locator('.layers button');
    expect(await parts.locator('b').allTextContents()).toEqual(['160', '256', '256', '256', '512', '256', '21']);
    expect((await page.locator('.layers .arrow').allTextContents()).filter((text) => text === '→').length).toBe(6);
    await page.context().close();
  });

  it('is what the address says, and the address says what it is', async () => {
    const page = await open({}, `${origin}/#mode=where&sample=cat`);
    expect(await page.locator('button[data-mode=where]').getAttribute('aria-pressed')).toBe('true');
    expect(await page.locator('#headline').textContent()).toContain('cat');
    await page.locator('[data-sample="coffee.jpg"]').click();
    await settled(page);
    expect(new URL(page.url()).hash).toBe('#mode=where&sample=coffee');
    await page.locator('button[data-mode=what]').click();
    await settled(page);
    expect(await page.locator('#headline').textContent()).toBe('espresso');
    expect(new URL(page.url()).hash).toBe('#sample=coffee');
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
