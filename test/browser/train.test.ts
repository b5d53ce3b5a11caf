/** Training in a page: pictures in its private file system, a head that learns them, and a report. */
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium } from './chromium.js';
import { serve } from './server.js';

interface Outcome {
  accuracy: number;
  html: string;
}

const executablePath = findChromium();

describe.skipIf(executablePath === undefined)('in Chromium', () => {
  let browser: Browser;
  let server: Awaited<ReturnType<typeof serve>>;
  beforeAll(async () => {
    server = await serve(new Map());
    browser = await chromium.launch({ executablePath: executablePath! });
  }, 0);
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  it('a head learns pictures of the private file system', async () => {
    const page = await browser.newPage();
    await page.goto(`${server.origin}/isolated`);
    const result = await page.evaluate<Outcome>("import('/test/browser/train.mjs').then(({ run }) => run())");
    expect(result).toMatchObject({
      train: 16,
      test: 4,
      labels: ['disc', 'stripes'],
      sameFiles: true,
      problems: ['disc/broken.png'],
    });
    expect(result.accuracy).toBe(1);
    expect(result.html).toContain('Confusion matrix');
  });
});
