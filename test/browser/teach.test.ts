/** The page's mode that teaches, as a visitor uses it: classes, pictures, a training that is stopped and goes on, the model in a file. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { pipeline, RawImage } from '../../src/entries/main-node.js';
import { Zip } from '../../src/formats/zip.js';
import { findChromium } from './chromium.js';
import { drop, newPage, settled, startPage, violations } from './visit.js';

const executablePath = findChromium();
/** A bundle and a browser, on a busy machine. */
const START_MS = 120_000;
const EDGE = 96;

type Kind = 'disc' | 'stripes' | 'checks';

/** Of a seed: a drawing of its kind in colors, places and sizes of its own. */
function drawing(kind: Kind, seed: number): RawImage {
  const data = new Uint8ClampedArray(3 * EDGE * EDGE);
  const random = (n: number) => (Math.sin(seed * 37.7 + n * 12.9) * 43758.5453) % 1;
  const share = (n: number) => Math.abs(random(n));
  const colors = [0, 1].map((on) => [0, 1, 2].map((n) => 255 * (on === 0 ? 0.7 + 0.3 * share(n) : 0.5 * share(n + 3))));
  const [x0, y0] = [30 + 36 * share(7), 30 + 36 * share(8)];
  const [radius, period] = [14 + 12 * share(9), 9 + Math.floor(8 * share(10))];
  const within: Record<Kind, (x: number, y: number) => boolean> = {
    disc: (x, y) => Math.hypot(x - x0, y - y0) < radius,
    stripes: (_, y) => (y + x0) % (2 * period) < period,
    checks: (x, y) => (Math.floor((x + x0) / period) + Math.floor((y + y0) / period)) % 2 === 0,
  };
  for (let y = 0; y < EDGE; y++) {
    for (let x = 0; x < EDGE; x++) data.set(colors[Number(within[kind](x, y))]!, 3 * (y * EDGE + x));
  }
  return new RawImage(data, EDGE, EDGE, 3);
}

async function files(kind: Kind, count: number, from = 0) {
  const seeds = Array.from({ length: count }, (_, n) => from + n);
  return Promise.all(
    seeds.map(async (seed) => ({
      name: `${kind}-${seed}.png`,
      mimeType: 'image/png',
      buffer: Buffer.from(await (await drawing(kind, seed).toBlob()).arrayBuffer()),
    })),
  );
}

describe.skipIf(executablePath === undefined)('the page that is taught', () => {
  let folder: string;
  let origin: string;
  let browser: Browser;
  let close: (() => Promise<void>) | undefined;
  const faults: string[] = [];

  beforeAll(async () => {
    ({ folder, origin, browser, close } = await startPage(executablePath!));
  }, START_MS);
  afterAll(async () => {
    await close?.();
  });
  afterEach(() => {
    expect(faults.splice(0)).toEqual([]);
  });

  async function open(): Promise<Page> {
    const page = await newPage(browser, {}, faults);
    await page.goto(`${origin}/#mode=teach`);
    await page.locator('.class-card').nth(1).waitFor();
    await settled(page);
    return page;
  }

  const said = (page: Page) => page.locator('#status span').textContent();
  const button = (page: Page, name: string) => page.locator('#panel-teach').getByRole('button', { name, exact: true });

  async function teach(page: Page, place: number, kind: Kind, count: number): Promise<void> {
    const card = page.locator('.class-card').nth(place);
    await card.locator('.class-name').fill(kind);
    await card.locator('input[type=file]').setInputFiles(await files(kind, count));
    await expect.poll(() => card.locator('.class-pictures li').count(), { timeout: 60_000 }).toBe(count);
  }

  /** What the browser asked of the visitor, who said yes. */
  function askedOf(page: Page): string[] {
    const asked: string[] = [];
    page.on('dialog', (dialog) => {
      asked.push(dialog.type());
      void dialog.accept();
    });
    return asked;
  }

  it('asks before it leaves pictures that nothing was taught with', async () => {
    const page = await open();
    const asked = askedOf(page);
    await page.locator('.class-name').first().click();
    await page.reload();
    await page.locator('.class-name').first().click();
    expect(asked).toEqual([]);
    await teach(page, 0, 'disc', 2);
    await page.reload();
    expect(asked).toEqual(['beforeunload']);
    await page.context().close();
  });

  it('learns three classes, is stopped, goes on, and gives the model away', async () => {
    const page = await open();
    await button(page, 'Add a class').click();
    for (const [place, kind] of (['disc', 'stripes', 'checks'] as const).entries()) await teach(page, place, kind, 10);
    // A picture that is removed is no longer counted.
    const first = page.locator('.class-card').first();
    await first.locator('.class-pictures button').last().click();
    expect(await first.locator('.class-head .quiet').textContent()).toBe('9 pictures');

    await stopAtFirstStep(page);
    await button(page, 'Train').click();
    await button(page, 'Go on').waitFor();
    const note = page.locator('#panel-teach > [role=status]');
    const [, stoppedAt, total] = /^Stopped at step (\d+) of (\d+)\.$/.exec((await note.textContent())!)!.map(Number);
    expect(stoppedAt).toBeGreaterThan(0);
    expect(stoppedAt).toBeLessThan(total!);
    await button(page, 'Go on').click();
    await button(page, 'Download the model').waitFor({ timeout: 0 });
    await settled(page);
    const points = (await page.locator('.curve-loss').getAttribute('points'))!.split(' ');
    expect(points.length).toBeGreaterThan(3);
    const [begin, end] = [points[0]!, points.at(-1)!].map((point) => Number(point.split(',')[1]));
    expect(end).toBeGreaterThan(begin! + 30); // down
    const cells = await page.locator('.confusion tbody td').allTextContents();
    const held = cells.map(Number).reduce((sum, count) => sum + count, 0);
    expect(cells.length).toBe(9);
    expect(held).toBeGreaterThanOrEqual(3);
    const right = Number(cells[0]) + Number(cells[4]) + Number(cells[8]);
    expect(right / held).toBeGreaterThan(0.8);

    expect(await violations(page)).toEqual([]);

    // The page answers with it.
    const [seen] = await files('stripes', 1, 50);
    await page.locator('#file').setInputFiles(seen!);
    await expect.poll(() => page.locator('#headline').textContent(), { timeout: 60_000 }).toBe('stripes');
    expect(await page.locator('.answers li').count()).toBe(3);
    await expectInside(page, 'stripes');

    const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Download the model').click()]);
    expect(download.suggestedFilename()).toBe('my-model.zip');
    const model = await unpack(await download.path());
    const classify = await pipeline('image-classification', model);
    for (const kind of ['disc', 'stripes', 'checks'] as const) {
      const [best] = await classify(drawing(kind, 60), { top_k: 1 });
      expect(best!.label).toBe(kind);
    }
    classify.dispose();

    // What was learned is not what is there now.
    const mayLeave = () => page.evaluate(() => dispatchEvent(new Event('beforeunload', { cancelable: true })));
    expect(await mayLeave()).toBe(true);
    await first.locator('.class-name').fill('round');
    expect(await note.textContent()).toBe('The pictures have changed. Train again to learn them.');
    expect(await mayLeave()).toBe(false);

    await page.reload();
    await expectKept(page);
    await page.context().close();
  }, 0);

  /** The figure ends with the visitor's own classes, and with the network's own number. */
  async function expectInside(page: Page, label: string): Promise<void> {
    await page.locator('#inside').scrollIntoViewIfNeeded();
    await page.locator('#strip [data-stage=classifier]').click({ timeout: 60_000 });
    await page.locator('#zoom .speakers').waitFor();
    const text = await page.locator('#zoom').innerText();
    expect(text).toContain(`What spoke for “${label}”`);
    expect(text).toContain('Each of the 3 classes');
    expect(await page.locator('#zoom .speakers li').count()).toBe(8);
    const { sum, network } = await page
      .locator('#zoom .result')
      .evaluate(({ dataset }: HTMLElement) => ({ sum: Number(dataset.sum), network: Number(dataset.network) }));
    expect(sum).toBeCloseTo(network, 3);
  }

  /** The next visit: what was taught is offered, answers in two modes, and is removed when that is said twice. */
  async function expectKept(page: Page): Promise<void> {
    const row = page.locator('.kept');
    await row.waitFor();
    expect(await row.locator('p').textContent()).toMatch(/^Your model of \d\d:\d\d: checks, disc, stripes$/);
    await settled(page);
    expect(await page.locator('#inside').isVisible()).toBe(false); // nothing is answered yet
    await button(page, 'Try it here').click();
    const [seen] = await files('checks', 1, 51);
    await page.locator('#file').setInputFiles(seen!);
    await expect.poll(() => page.locator('#headline').textContent(), { timeout: 60_000 }).toBe('checks');
    expect(await button(page, 'Try it here').isVisible()).toBe(false);

    await button(page, 'Use it in “What is it?”').click();
    await settled(page);
    expect(await page.locator('#headline').textContent()).toBe('checks');
    expect(await page.locator('#labels button').count()).toBe(3);
    expect(await page.locator('#why option').allTextContents()).toEqual(['choose…', 'checks', 'disc', 'stripes']);
    await page.locator('#back').click();
    await settled(page);
    expect(await page.locator('#labels button').count()).toBe(5);
    expect(await page.locator('#back').isVisible()).toBe(false);

    await page.locator('button[data-mode=teach]').click();
    await button(page, 'Use it in “What is it?”').click();
    await settled(page);
    await page.locator('button[data-mode=teach]').click();
    await button(page, 'Remove it').click();
    await button(page, 'Remove it for good?').click();
    await settled(page);
    expect(await row.isVisible()).toBe(false);
    expect(await page.locator('#inside').isVisible()).toBe(false);
    await page.locator('button[data-mode=what]').click();
    await settled(page);
    expect(await page.locator('#labels button').count()).toBe(5); // the page's own network again
    await page.goto(`${origin}/#mode=teach`);
    await page.reload();
    await page.locator('.class-card').nth(1).waitFor();
    await settled(page);
    expect(await row.isVisible()).toBe(false);
  }

  /** Files in the page's private file system, as a visit before this one left them. */
  const leave = (page: Page, names: string[], config: object) =>
    page.evaluate(
      async ([names, text]) => {
        const root = await navigator.storage.getDirectory();
        const folder = await root.getDirectoryHandle('my-model', { create: true });
        for (const name of names) {
          const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
          await stream.write(name === 'config.json' ? text : 'x');
          await stream.close();
          await new Promise((resolve) => setTimeout(resolve, 20)); // later by its time
        }
      },
      [names, JSON.stringify(config)] as const,
    );

  it('offers nothing that was saved by half, and says why what it offers cannot be opened', async () => {
    const page = await open();
    const config = { id2label: { 0: 'cats', 1: 'dogs' } };
    const visit = async () => {
      await page.reload();
      await page.locator('.class-card').nth(1).waitFor();
      await settled(page);
    };
    const isOffered = () => page.locator('.kept').isVisible();
    await leave(page, ['config.json'], config);
    await visit();
    expect(await isOffered()).toBe(false);
    await leave(page, ['model.safetensors', 'preprocessor_config.json'], config);
    await visit();
    expect(await isOffered()).toBe(true);
    await button(page, 'Try it here').click();
    await expect
      .poll(() => said(page), { timeout: 60_000 })
      .toMatch(/^Your model cannot be opened: preprocessor_config\.json: .* Remove it, or train again\.$/);
    await settled(page);
    // A training later, the page was closed between two files.
    await leave(page, ['config.json'], { id2label: { 0: 'birds', 1: 'cats' } });
    await visit();
    expect(await isOffered()).toBe(false);
    // A browser that keeps nothing for pages.
    await page.addInitScript(() => {
      navigator.storage.getDirectory = () => Promise.reject(new DOMException('no', 'SecurityError'));
    });
    await visit();
    expect(await page.locator('.class-card').count()).toBe(2);
    await page.context().close();
  }, 0);

  /** Presses "Stop" with the first step that is told, from within the page, as a training of few pictures is soon over. */
  const stopAtFirstStep = (page: Page) =>
    page.evaluate(() => {
      const note = document.querySelector('#panel-teach > [role=status]')!;
      const observer = new MutationObserver(() => {
        if (!/^Learning: step [1-9]/.test(note.textContent ?? '')) return;
        observer.disconnect();
        const buttons = [...document.querySelectorAll<HTMLButtonElement>('#panel-teach button')];
        buttons.find(({ textContent }) => textContent === 'Stop')!.click();
      });
      observer.observe(note, { childList: true, characterData: true, subtree: true });
    });

  async function unpack(path: string): Promise<string> {
    const zip = new Zip(new Uint8Array(readFileSync(path)), 'my-model.zip');
    for (const [name, entry] of zip.entries) {
      const file = join(folder, 'unpacked', name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, (await zip.read(entry)).bytes);
    }
    return join(folder, 'unpacked/my-model');
  }

  it('takes folders, and frames of the camera', async () => {
    const page = await open();
    const top = join(folder, 'things');
    for (const kind of ['disc', 'stripes', 'checks'] as const) {
      mkdirSync(join(top, kind), { recursive: true });
      for (const { name, buffer } of await files(kind, 2)) writeFileSync(join(top, kind, name), buffer);
    }
    const [, onCard] = await Promise.all([drop(page, [top]), overlay(page)]);
    expect(onCard).toMatch(/^Drop folders: each becomes a class/);
    await expect.poll(() => page.locator('.class-pictures li').count(), { timeout: 60_000 }).toBe(6);
    const names = await page
      .locator('.class-name')
      .evaluateAll((inputs) => inputs.map((input) => (input as HTMLInputElement).value));
    expect(names.sort()).toEqual(['checks', 'disc', 'stripes']);

    const card = page.locator('.class-card').first();
    const hold = card.getByRole('button', { name: /^Hold/ });
    await hold.scrollIntoViewIfNeeded();
    await hold.dispatchEvent('pointerdown', { button: 0, pointerId: 1 });
    await expect.poll(() => card.locator('.class-pictures li').count(), { timeout: 60_000 }).toBeGreaterThan(4);
    await hold.dispatchEvent('pointerup', { pointerId: 1 });

    // On a class: its own, whatever the folders are called.
    const last = page.locator('.class-card').last();
    const name = await last.locator('.class-name').inputValue();
    const before = await last.locator('.class-pictures li').count();
    await last.scrollIntoViewIfNeeded();
    const box = (await last.boundingBox())!;
    const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const [, text] = await Promise.all([drop(page, [join(top, 'disc')], at), overlay(page)]);
    expect(text).toBe(`Add pictures to ${name}`);
    await expect.poll(() => last.locator('.class-pictures li').count(), { timeout: 60_000 }).toBe(before + 2);
    expect(await page.locator('.class-card').count()).toBe(3);
    await page.context().close();
  }, 0);

  /** What is said while something is dragged over the page. */
  const overlay = (page: Page) =>
    page.evaluate(
      () =>
        new Promise<string>((resolve) => {
          document.addEventListener('dragover', () => resolve(document.querySelector('#drop-text')!.textContent), {
            once: true,
          });
        }),
    );

  it('tests with frames of every class, though a camera’s frames are alike', async () => {
    const page = await open();
    for (const place of [0, 1]) {
      const card = page.locator('.class-card').nth(place);
      const hold = card.getByRole('button', { name: /^Hold/ });
      await hold.scrollIntoViewIfNeeded();
      await hold.dispatchEvent('pointerdown', { button: 0, pointerId: 1 });
      await expect.poll(() => card.locator('.class-pictures li').count(), { timeout: 60_000 }).toBeGreaterThan(9);
      await hold.dispatchEvent('pointerup', { pointerId: 1 });
    }
    await button(page, 'Train').click();
    await button(page, 'Download the model').waitFor({ timeout: 0 });
    const cells = (await page.locator('.confusion tbody td').allTextContents()).map(Number);
    expect(cells.length).toBe(4);
    expect(cells[0]! + cells[1]!).toBeGreaterThanOrEqual(2);
    expect(cells[2]! + cells[3]!).toBeGreaterThanOrEqual(2);
    await page.context().close();
  }, 0);

  it('is used by keyboard alone', async () => {
    const page = await open();
    const focused = () => page.evaluate(() => document.activeElement?.ariaLabel || document.activeElement?.textContent);
    const tabTo = async (name: RegExp) => {
      for (let n = 0; n < 60; n++) {
        await page.keyboard.press('Tab');
        if (name.test((await focused()) ?? '')) return;
      }
      throw new Error(`no way to ${name} by Tab`);
    };
    await button(page, 'Add a class').focus();
    await page.keyboard.press('Enter');
    const isOnName = (nth: number) =>
      page
        .locator('.class-name')
        .nth(nth)
        .evaluate((one) => one === document.activeElement);
    expect(await isOnName(2)).toBe(true);
    await tabTo(/^Remove the class Class 3/);
    await page.keyboard.press('Enter');
    // Where its class is gone, the one before it.
    expect(await isOnName(1)).toBe(true);
    await page.locator('.class-name').first().focus();
    for (const [place, kind] of ['near', 'far'].entries()) {
      if (place > 0) await tabTo(/^Name of the class/);
      await page.keyboard.type(kind);
      await tabTo(new RegExp(`^Hold for camera: ${kind}`));
      const pictures = page.locator('.class-card').nth(place).locator('.class-pictures li');
      for (const count of [1, 2, 3]) {
        await page.keyboard.press('Enter');
        // The first press starts the camera, which has no frame yet.
        await expect.poll(() => pictures.count(), { timeout: 60_000 }).toBe(count);
      }
    }
    await tabTo(/^Train$/);
    await page.keyboard.press('Enter');
    await page.locator('.kept').waitFor({ timeout: 0 });
    expect(await focused()).toBe('Train again');
    await button(page, 'Use it in “What is it?”').focus();
    await page.keyboard.press('Enter');
    await expect.poll(focused, { timeout: 60_000 }).toMatch(/^(near|far)$/); // the headline
    await expect.poll(() => page.locator('#labels button').count(), { timeout: 60_000 }).toBe(2);
    await page.context().close();
  }, 0);

  it('says what is missing', async () => {
    const page = await open();
    await button(page, 'Train').click();
    expect(await said(page)).toMatch(/^It needs two classes/);
    await teach(page, 0, 'disc', 1);
    await teach(page, 1, 'checks', 2);
    await button(page, 'Train').click();
    expect(await said(page)).toBe('“disc” has 1 picture. Each class needs 2 pictures or more.');
    await page.locator('.class-name').first().fill('checks');
    await teachMore(page);
    await button(page, 'Train').click();
    expect(await said(page)).toBe('Two classes are called “checks”. Give one of them another name.');
    const broken = { name: 'broken.png', mimeType: 'image/png', buffer: Buffer.from('no picture') };
    await page.locator('.class-card input[type=file]').first().setInputFiles(broken);
    await expect.poll(() => said(page), { timeout: 60_000 }).toMatch(/^One of the files is no picture/);
    for (let n = 0; n < 7; n++) await button(page, 'Add a class').click();
    expect(await page.locator('.class-card').count()).toBe(8);
    expect(await said(page)).toBe('There can be 8 classes at most.');
    await page.context().close();
  }, 0);

  const teachMore = async (page: Page) => {
    const card = page.locator('.class-card').first();
    await card.locator('input[type=file]').setInputFiles(await files('disc', 1, 5));
    await expect.poll(() => card.locator('.class-pictures li').count(), { timeout: 60_000 }).toBe(2);
  };
});
