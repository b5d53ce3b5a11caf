/**
 * Takes the page's pictures in Chromium: og.jpg, which others show that link to it, and those of the README and of
 * docs/images. Look at them before they are committed.
 *
 *     node examples/browser/pictures.mjs [path of a Chromium]
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { serve } from './serve.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const images = join(here, '../../docs/images');
const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-page-'));
if (!existsSync(join(here, 'og.jpg'))) writeFileSync(join(here, 'og.jpg'), ''); // the page is built before its picture
execFileSync(process.execPath, [join(here, 'build.mjs'), folder]);
const origin = `http://localhost:${await serve(folder)}`;
const browser = await chromium.launch({ executablePath: process.argv[2] ?? '/usr/bin/chromium' });

/** @param hash what the address says; @param inside whether the figure is waited for */
async function picture(path, width, height, hash, { dark = false, inside = false, quality, scale = 1 } = {}) {
  const colorScheme = dark ? 'dark' : 'light';
  const context = await browser.newContext({
    viewport: { width, height },
    deviceScaleFactor: scale,
    colorScheme,
    serviceWorkers: 'block',
  });
  const page = await context.newPage();
  await page.goto(`${origin}/${hash}`);
  await page.waitForFunction(() => document.body.ariaBusy === 'false', null, { timeout: 120_000 });
  if (inside) {
    await page.evaluate(() => document.querySelector('#inside').scrollIntoView());
    await page.locator('#zoom .result').first().waitFor({ timeout: 60_000 });
    await page.mouse.move(0, 0);
  }
  await page.waitForTimeout(1500); // what appears has appeared
  await page.screenshot({ path, ...(quality && { type: 'jpeg', quality }) });
  await context.close();
}

await picture(join(here, 'og.jpg'), 1440, 756, '', { quality: 80, scale: 1200 / 1440 });
await picture(join(images, 'page.jpg'), 1280, 1016, '#sample=coffee', { quality: 82, scale: 0.8 });
await picture(join(images, 'page-inside.jpg'), 1280, 900, '#sample=dog', { inside: true, quality: 75, scale: 0.8 });
await picture(join(images, 'page-phone.jpg'), 390, 844, '#mode=where&sample=dog', { dark: true, quality: 80 });
await browser.close();
rmSync(folder, { recursive: true });
process.exit(0);
