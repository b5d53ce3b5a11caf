/** What the tests of the page in examples/browser have in common: the built page, a browser, and what a visitor does in it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { serve } from '../../examples/browser/serve.mjs';
import { ROOT } from '../helpers/cli.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface StartedPage {
  /** Of the built page. */
  folder: string;
  origin: string;
  browser: Browser;
  close(): Promise<void>;
}

/**
 * Builds the page, serves it, and starts a browser with a camera.
 * @param video what the camera shows, as Y4M; a picture of Chromium's own unless given
 */
export async function startPage(executablePath: string, video?: Buffer): Promise<StartedPage> {
  const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-page-'));
  execFileSync(process.execPath, [join(ROOT, 'examples/browser/build.mjs'), folder]);
  const origin = `http://localhost:${await serve(folder)}`;
  const args = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];
  if (video !== undefined) {
    const file = join(folder, 'camera.y4m');
    writeFileSync(file, video);
    args.push(`--use-file-for-fake-video-capture=${file}`);
  }
  const browser = await chromium.launch({ executablePath, args });
  const close = async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, origin, browser, close };
}

/** A new page in a context of its own. Errors in it are added to `faults`. */
export async function newPage(
  browser: Browser,
  options: BrowserContextOptions = {},
  faults: string[] = [],
): Promise<Page> {
  const context = await browser.newContext({ serviceWorkers: 'block', ...options });
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  return page;
}

/** Nothing is being computed. */
export const settled = (page: Page) =>
  expect.poll(() => page.evaluate(() => document.body.ariaBusy), { timeout: 60_000 }).toBe('false');

/** Files or folders, dropped by the browser itself. */
export async function drop(page: Page, files: string[], at = { x: 200, y: 300 }): Promise<void> {
  const session = await page.context().newCDPSession(page);
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    const data = { items: [], files, dragOperationsMask: 1 };
    await session.send('Input.dispatchDragEvent', { type, ...at, data });
  }
}

/** What axe finds wrong in the page as it is now. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
  });
}
