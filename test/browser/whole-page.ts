/** A browser, and a server that has the package as an application would ship it, in one file. */
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { ROOT } from '../helpers/cli.js';
import type { Loopback } from '../helpers/loopback.js';
import { serve } from './server.js';

async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ROOT },
    ...{ bundle: true, minify: true, platform: 'browser', format: 'esm', write: false },
  });
  return outputFiles[0].text;
}

/** What the tests of a file have in common, once they run. */
export interface WholePage {
  browser: Browser;
  server: Loopback;
}

/**
 * Starts both before the tests of a block and ends them after it.
 * @param contents a module that exports what is wanted; the page has it at /dist/bundle.js
 */
export function wholePage(executablePath: string | undefined, contents: string): WholePage {
  const page: Partial<WholePage> = {};
  beforeAll(async () => {
    page.server = await serve(new Map([['/dist/bundle.js', await bundle(contents)]]));
    page.browser = await chromium.launch({ executablePath: executablePath! });
  }, 0); // a bundle and a browser that starts, on a busy machine
  afterAll(async () => {
    await page.browser?.close();
    await page.server?.close();
  });
  return page as WholePage;
}
