/**
 * The picture in the README, from a result that `--json` wrote: the roofline and the layers, as a browser shows them.
 *
 *     node bench/picture.mjs bench.json docs/images/bench.png [--part ablation] [--width 1180] [--dark]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { PNG } from 'pngjs';
import { reportPage } from './report/page.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    chromium: { type: 'string', default: '/usr/bin/chromium' },
    part: { type: 'string', default: 'picture' },
    width: { type: 'string', default: '1180' },
    dark: { type: 'boolean' },
  },
});
const [from, to] = positionals;
if (to === undefined) {
  console.error('usage: node bench/picture.mjs bench.json picture.png');
  process.exit(2);
}
const browser = await chromium.launch({
  executablePath: options.chromium,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-lcd-text',
    '--disable-background-networking',
    '--disable-component-update',
  ],
});
try {
  const page = await browser.newPage({
    viewport: { width: Number(options.width), height: 800 },
    colorScheme: options.dark ? 'dark' : 'light',
  });
  await page.setContent(reportPage(JSON.parse(readFileSync(from, 'utf8'))));
  if (options.part !== 'page') await page.addStyleTag({ content: 'details { display: none }' });
  const target = options.part === 'page' ? page : page.locator(`#${options.part}`);
  const bytes = await target.screenshot(options.part === 'page' ? { fullPage: true } : {});
  // Browsers compress in a hurry.
  writeFileSync(
    to,
    PNG.sync.write(PNG.sync.read(bytes), { colorType: 2, deflateLevel: 9, deflateStrategy: 0, filterType: 0 }),
  );
} finally {
  await browser.close();
}
