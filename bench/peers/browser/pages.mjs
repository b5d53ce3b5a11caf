/** Frames of one page as places for engines: same process, same main thread, memory and globals of their own. */
import { chromium } from 'playwright-core';
import { serve } from './server.mjs';

/** How long an engine may take to start; some wait for ever for threads that died. */
const PATIENCE = 120_000;

/** @param options `{ executable, networks, ours, isolated, source }`; see server.mjs */
export function pages({ executable, ...options }) {
  return async ({ name }) => {
    const server = await serve(options);
    const browser = await chromium.launch({
      executablePath: executable,
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [], // Chromium's sandbox does not work for root
    });
    const page = await browser.newPage();
    await page.goto(server.origin);
    const isolated = await page.evaluate(() => crossOriginIsolated);
    if (isolated !== options.isolated) throw new Error(`the page's crossOriginIsolated is ${isolated}`);
    return {
      start: (engine) => Frame.start(page, engine, name),
      async leave() {
        await browser.close();
        server.close();
      },
    };
  };
}

class Frame {
  static async start(page, { file, id, threads }, network) {
    const label = `${id}-${threads}`;
    await page.evaluate(
      ([url, label]) =>
        new Promise((resolve) => {
          const frame = document.createElement('iframe');
          frame.name = label;
          frame.src = url;
          frame.onload = resolve;
          document.body.append(frame);
        }),
      [`/frame/${file}.html`, label],
    );
    return new Frame(page, page.frame({ name: label }), label, network);
  }

  constructor(page, frame, label, network) {
    Object.assign(this, { page, frame, label, network });
  }

  async ask(call, options) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${call}: no answer`)), PATIENCE);
    });
    const { title, node, browser, ...rest } = options;
    const asked = this.frame.evaluate(
      ([call, options]) => window.bench[call](options),
      [call, { ...rest, network: this.network }],
    );
    try {
      return await Promise.race([asked, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async close() {
    await this.page.evaluate((label) => document.querySelector(`iframe[name="${label}"]`)?.remove(), this.label);
  }
}
