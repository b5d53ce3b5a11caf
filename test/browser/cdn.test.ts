/** The single file for pages, as CDNs give it, in a page of another origin: the page of docs/deploy.md. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../helpers/cli.js';
import { type Loopback, listen } from '../helpers/loopback.js';
import { findChromium } from './chromium.js';
import { serve } from './server.js';

const executablePath = findChromium();
const { version, jsdelivr, unpkg } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const DEPLOY = readFileSync(join(ROOT, 'docs/deploy.md'), 'utf8');
const PAGE = /^```html\n(.*?)^```$/ms.exec(DEPLOY)![1];

/** The package as jsDelivr has it below /npm/, where its own URL is the file, and unpkg, which leads there. */
function serveCdn(asked: string[]): Promise<Loopback> {
  const server = createServer(async ({ url = '/' }, response) => {
    asked.push(url);
    const [, npm, file] = /^(\/npm)?\/mobilenet-v2(?:@[\d.]+)?(?:\/(.+))?$/.exec(url) ?? [];
    const path = file ?? jsdelivr;
    const headers = { 'access-control-allow-origin': '*' };
    if (npm === undefined && file === undefined) {
      response.writeHead(302, { ...headers, location: `/mobilenet-v2@${version}/${unpkg}` }).end();
      return;
    }
    const body = await readFile(join(ROOT, path)).catch(() => undefined);
    const type = path.endsWith('.js') ? 'text/javascript' : 'application/octet-stream';
    response.writeHead(body === undefined ? 404 : 200, { ...headers, 'content-type': type }).end(body);
  });
  return listen(server);
}

describe.skipIf(executablePath === undefined)('the single file for pages', () => {
  let browser: Browser;
  let cdn: Loopback;
  const asked: string[] = [];
  const servers: Loopback[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath! });
    cdn = await serveCdn(asked);
  });
  afterAll(async () => {
    await browser?.close();
    await cdn?.close();
    for (const server of servers) await server.close();
  });

  it.each([
    ['jsDelivr', '/npm/mobilenet-v2', ''],
    ['jsDelivr, a version', `/npm/mobilenet-v2@${version}`, ''],
    ['jsDelivr, the file', `/npm/mobilenet-v2@${version}/${jsdelivr}`, ''],
    ['unpkg', '/mobilenet-v2', ''],
    ['a checkpoint by URL', '/npm/mobilenet-v2', '/weights/mobilenet_v2_1.0_224'],
  ])('%s', async (_, path, model) => {
    asked.length = 0;
    const page = PAGE.replace('https://cdn.jsdelivr.net/npm/mobilenet-v2', cdn.origin + path).replace(
      "'image-classification'",
      model === '' ? '$&' : `$&, '${model}'`,
    );
    expect(page).not.toContain('jsdelivr.net');
    const server = await serve(new Map([['/test/browser/cdn.html', page]]));
    servers.push(server);
    const tab = await browser.newPage();
    const faults: Error[] = [];
    tab.on('pageerror', (error) => faults.push(error));
    await tab.goto(`${server.origin}/test/browser/cdn.html`);
    await expect
      .poll(() => tab.locator('input').evaluate((input) => (input as HTMLInputElement).onchange !== null))
      .toBe(true);
    await tab.locator('input').setInputFiles(join(ROOT, 'examples/husky.png'));
    await expect
      .poll(() => tab.locator('output').innerText(), { timeout: 20_000 })
      .toBe('malamute, malemute, Alaskan malamute 0.823');
    expect(faults).toEqual([]);
    // One file of code; weights only where none are named.
    const weights = asked.filter((url) => url.includes('/weights/'));
    expect(asked.filter((url) => url.endsWith('.js') && !url.includes('/weights/')).length).toBeLessThan(2);
    expect(weights.length > 0).toBe(model === '');
    await tab.close();
  });
});
