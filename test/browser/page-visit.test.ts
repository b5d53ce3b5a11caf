/**
 * The page in Firefox, and in WebKitGTK set up as Safari: it opens with an answer, answers in its other modes, takes a file,
 * speaks Arabic, and is taught, as the window of a driver keeps no files.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../helpers/cli.js';
import { findBrowser } from './chromium.js';
import { type Open, openInFirefox, reportOf } from './report.js';
import { AS_SAFARI, findWebKit, openInWebKit } from './webkit.js';

const firefox = findBrowser('firefox-esr', 'firefox');
const webkit = findWebKit();

/** What a visitor sees in each step. */
interface Seen {
  headline: string;
  shares: string[];
  overlay: boolean;
  stages: number;
  sum: number;
  network: number;
  dir: string;
  status: string;
  isolated: boolean;
}

/** A page around the page: it does what a visitor does, step by step, and sends what it sees. */
const VISIT = `
const frame = document.querySelector('iframe');
const all = (selector) => [...frame.contentDocument.querySelectorAll(selector)];
const one = (selector) => all(selector)[0];
const until = async (ready) => {
  while (!ready()) await new Promise((resolve) => setTimeout(resolve, 50));
};
const settled = () => until(() => one('body')?.ariaBusy === 'false');
const look = () => ({
  headline: one('#headline').textContent,
  shares: all('#labels button span:last-child').map(({ textContent }) => textContent),
  overlay: !one('#overlay').hidden && one('#overlay').width > 0,
  stages: all('#strip button').length,
  sum: Number(one('#zoom .result')?.dataset.sum),
  network: Number(one('#zoom .result')?.dataset.network),
  dir: frame.contentDocument.documentElement.dir,
  status: one('#status').textContent,
  isolated: frame.contentWindow.crossOriginIsolated,
});
const press = async (selector) => {
  one(selector).click();
  await settled();
  return look();
};
const choose = async (input, names) => {
  const chosen = new frame.contentWindow.DataTransfer();
  for (const name of names) {
    const blob = await (await fetch('samples/' + name)).blob();
    chosen.items.add(new File([blob], name, { type: 'image/jpeg' }));
  }
  input.files = chosen.files;
  input.dispatchEvent(new Event('change'));
};
const steps = {
  async opens() {
    await settled();
    return look();
  },
  async inside() {
    one('#inside').scrollIntoView();
    await until(() => one('#zoom .result')?.dataset.sum !== undefined);
    return look();
  },
  async chooses() {
    await choose(one('#file'), ['coffee.jpg']);
    await settled();
    return look();
  },
  sample: () => press('[data-sample="dog.jpg"]'),
  where: () => press('button[data-mode=where]'),
  arabic: () => press('#language'),
  async teach() {
    one('button[data-mode=teach]').click();
    await until(() => one('.class-card') !== undefined);
    await settled();
    return look();
  },
  async learns() {
    const lesson = Object.entries({ fur: ['dog.jpg', 'cat.jpg'], none: ['coffee.jpg', 'parrot.jpg'] });
    for (const [place, [name, pictures]] of lesson.entries()) {
      const card = all('.class-card')[place];
      card.querySelector('.class-name').value = name;
      card.querySelector('.class-name').dispatchEvent(new Event('input'));
      await choose(card.querySelector('input[type=file]'), pictures);
      await until(() => card.querySelectorAll('.class-pictures li').length === 2);
    }
    await settled();
    one('#panel-teach button.main').click();
    await until(() => one('.confusion') !== undefined || one('#status').textContent !== '');
    await settled();
    return look();
  },
};
const seen = {};
try {
  for (const [name, step] of Object.entries(steps)) seen[name] = await step();
} catch (error) {
  seen.error = String(error);
}
await fetch('/', { method: 'POST', body: JSON.stringify(seen) });
`;
const FILES: Record<string, string> = {
  '/visit.html':
    '<!doctype html><title>A visit</title><iframe src="index.html" width="1280" height="720"></iframe><script type="module" src="visit.js"></script>',
  '/visit.js': VISIT,
};

const ISOLATION = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

describe.each<[string, Open | undefined]>([
  ['Firefox', firefox === undefined ? undefined : openInFirefox(firefox)],
  ['WebKitGTK', webkit === undefined ? undefined : openInWebKit(webkit, AS_SAFARI)],
])('the page in %s', (_, open) => {
  if (open === undefined) return it.skip('is not here');
  let seen: Record<string, Seen>;

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-page-'));
    try {
      execFileSync(process.execPath, [join(ROOT, 'examples/browser/build.mjs'), folder]);
      const read = (path: string) => FILES[path] ?? readFileSync(join(folder, path));
      seen = await reportOf(open, '/visit.html', read, ISOLATION);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 0); // a bundle, a browser that starts, and a whole visit, on a busy machine

  it('goes through the whole visit without a complaint', () => {
    expect(seen.error).toBeUndefined();
    for (const [step, { status }] of Object.entries(seen)) expect(status, step).toBe('');
  });

  it('opens with an answer, its colors, and threads', () => {
    expect(seen.opens).toMatchObject({ headline: 'macaw', overlay: true, isolated: true, dir: 'ltr' });
    expect(seen.opens.shares[0]).toMatch(/^99\.\d\u00a0%$/);
  });

  it('shows the inside, down to a sum that is the network’s own number', () => {
    expect(seen.inside.stages).toBe(20);
    expect(seen.inside.sum).not.toBe(0);
    expect(Math.abs(seen.inside.sum - seen.inside.network)).toBeLessThan(1e-4);
  });

  it('takes a file, and says where things are', () => {
    expect(seen.chooses.headline).toBe('espresso');
    expect(seen.where).toMatchObject({ headline: 'bicycle, dog, car', overlay: true });
  });

  it('speaks Arabic, and has a place to teach', () => {
    expect(seen.arabic).toMatchObject({ headline: 'درّاجة هوائية، كلب، سيارة', dir: 'rtl' });
    expect(seen.teach).toMatchObject({ headline: 'علِّمها', dir: 'rtl' });
  });

  it('learns what it is taught, and answers with it', () => {
    expect(seen.learns).toMatchObject({ headline: 'fur', overlay: true });
  });
});
