/** A browser, and a server that has the package as an application would ship it, in one file. */
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { ROOT } from '../helpers/cli.js';
import type { Loopback } from '../helpers/loopback.js';
import { findChromium } from './chromium.js';
import { serve } from './server.js';
import { AS_SAFARI, findWebKit, startWebKit } from './webkit.js';

export async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ROOT },
    ...{ bundle: true, minify: true, platform: 'browser', format: 'esm', write: false },
  });
  return outputFiles[0].text;
}

interface Started {
  /** The value of an expression in a page of its own, awaited. */
  evaluate<T>(address: string, expression: string): Promise<T>;
  close(): Promise<void>;
}

/** Undefined where the browser is not installed. */
export type Start = (() => Promise<Started>) | undefined;

const executablePath = findChromium();

async function startChromium(): Promise<Started> {
  const browser = await chromium.launch({ executablePath: executablePath! });
  return {
    async evaluate<T>(address: string, expression: string) {
      const page = await browser.newPage();
      try {
        await page.goto(address);
        return await page.evaluate<T>(expression);
      } finally {
        await page.close();
      }
    },
    close: () => browser.close(),
  };
}
export const inChromium: Start = executablePath === undefined ? undefined : startChromium;

const programs = findWebKit();

async function startWebKitGtk(): Promise<Started> {
  const webkit = await startWebKit(programs!, AS_SAFARI);
  return {
    async evaluate<T>(address: string, expression: string) {
      await webkit.open(address);
      return webkit.evaluate<T>(expression);
    },
    close: webkit.close,
  };
}
export const inWebKit: Start = programs === undefined ? undefined : startWebKitGtk;

export const BROWSERS: [name: string, start: Start][] = [
  ['Chromium', inChromium],
  ['WebKitGTK', inWebKit],
];

/** What the tests of a file have in common, once they run. */
export interface WholePage {
  browser: Started;
  server: Loopback;
}

/**
 * Starts both before the tests of a block and ends them after it.
 * @param files what the server has besides files of the disk, by path
 */
export function wholePage(start: Start, files: () => Promise<Map<string, string | Uint8Array>>): WholePage {
  const page: Partial<WholePage> = {};
  beforeAll(async () => {
    page.server = await serve(await files());
    page.browser = await start!();
  }, 0); // a bundle and a browser that starts, on a busy machine
  afterAll(async () => {
    await page.browser?.close();
    await page.server?.close();
  });
  return page as WholePage;
}

/** @param contents a module that exports what is wanted; the page has it at /dist/bundle.js */
export const bundled = async (contents: string) => new Map([['/dist/bundle.js', await bundle(contents)]]);
