/** The page in WebKitGTK, used as people use it: real clicks, keys and files, on a desk and on a phone, bright and dark. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { serve } from '../../examples/browser/serve.mjs';
import { pipeline } from '../../src/entries/main-node.js';
import { ROOT } from '../helpers/cli.js';
import { AS_SAFARI, findWebKit, KEYS, startWebKit, type WebKit, type WebKitOptions } from './webkit.js';

const programs = findWebKit();
const HUSKY = join(ROOT, 'examples/husky.png');

/** Runs before all of the page. What goes wrong in a page is not told to a driver of WebKit. */
const WATCH = `
window.faults = [];
const keep = (event) => faults.push(String(event.message || event.reason || event.violatedDirective || event.target.src));
for (const kind of ['error', 'unhandledrejection', 'securitypolicyviolation']) addEventListener(kind, keep, true);
console.error = console.warn = (...all) => faults.push(all.join(' '));
`;

describe.skipIf(programs === undefined).each<[string, WebKitOptions]>([
  ['that is set up as Safari, bright', AS_SAFARI],
  ['as it comes, dark', { flags: ['--dark-mode'] }],
])('the page in WebKitGTK %s', (_, options) => {
  const isDark = options !== AS_SAFARI;
  let folder: string;
  let origin: string;
  let webkit: WebKit;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-page-'));
    execFileSync(process.execPath, [join(ROOT, 'examples/browser/build.mjs'), folder]);
    writeFileSync(join(folder, 'watch.js'), WATCH);
    const html = readFileSync(join(folder, 'index.html'), 'utf8');
    writeFileSync(join(folder, 'index.html'), html.replace('<title>', '<script src="watch.js"></script><title>'));
    origin = `http://localhost:${await serve(folder)}`;
    webkit = await startWebKit(programs!, options);
  }, 0); // a bundle and a browser that starts, on a busy machine
  afterAll(async () => {
    await webkit?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    await webkit.resize(1280, 800);
    await open();
  });
  afterEach(async () => {
    expect(await webkit.evaluate('faults')).toEqual([]);
  });

  async function open(hash = ''): Promise<void> {
    await webkit.open('about:blank'); // an address that differs in its hash alone is no new page
    await webkit.open(`${origin}/${hash}`);
    await settled();
  }
  /** Of the first element that a selector finds. */
  const of = <T>(selector: string, expression: string) =>
    webkit.evaluate<T>(`(({ one }) => ${expression})({ one: document.querySelector(${JSON.stringify(selector)}) })`);
  const all = <T>(selector: string, expression: string) =>
    webkit.evaluate<T[]>(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((one) => ${expression})`);
  const text = (selector: string) => of<string>(selector, 'one?.textContent ?? ""');
  const settled = () => expect.poll(() => of('body', 'one.ariaBusy')).toBe('false');
  const says = (selector: string, expected: string | RegExp) =>
    expect.poll(() => text(selector)).toMatch(typeof expected === 'string' ? new RegExp(`^${expected}$`) : expected);
  async function answers(headline: string): Promise<void> {
    await says('#headline', headline);
    await settled();
    expect(await text('#status')).toBe('');
  }
  async function expectSum(): Promise<void> {
    const isThere = () => of<boolean>('#zoom .result', 'one?.dataset.sum !== undefined');
    await expect.poll(isThere).toBe(true);
    const [sum, network] = await of<number[]>(
      '#zoom .result',
      '[Number(one.dataset.sum), Number(one.dataset.network)]',
    );
    expect(sum).not.toBe(0);
    expect(Math.abs(sum! - network!)).toBeLessThan(1e-4 * Math.max(1, Math.abs(network!)));
  }

  it('opens alive, in the colors of its surroundings, with the threads that it may have', async () => {
    await answers('macaw');
    await says('#caption', /^macaw\s*99\.\d\s%$/);
    expect(await of('#overlay', 'one.checkVisibility() && one.width > 0')).toBe(true);
    const ink = await of<string>('body', 'getComputedStyle(one).color');
    expect(Number(/\d+/.exec(ink)![0]) > 128).toBe(isDark);
    const cores = Math.min(8, await webkit.evaluate<number>('navigator.hardwareConcurrency'));
    expect(await all('#threads option', 'one.value')).toHaveLength(isDark ? 1 : cores);
    expect((await text('#threads-note')) === '').toBe(!isDark || cores === 1);
  });

  it('says what and where, of samples that are clicked', async () => {
    await webkit.click('[data-sample="dog.jpg"]');
    await answers('malamute');
    await webkit.click('button[data-mode=where]');
    await answers('bicycle, dog, car');
    expect(await all('#legend button', 'one.querySelectorAll("span")[1].textContent')).toEqual([
      ...['background', 'bicycle', 'dog', 'car'],
    ]);
    await webkit.click('[data-sample="cat.jpg"]');
    await answers('cat');
    await webkit.click('button[data-mode=what]');
    await answers('Egyptian cat');
  });

  it('fits a phone: picture and answer are the first screen', async () => {
    await webkit.resize(390, 844);
    await open('#sample=dog');
    await answers('malamute');
    const bottoms = await all<number>('#stage, #caption, #labels', 'one.getBoundingClientRect().bottom');
    expect(Math.max(...bottoms)).toBeLessThan(844);
    await of('#inside', 'one.scrollIntoView()');
    await expectSum();
    const [width, height] = await of<number[]>('html', '[one.scrollWidth, one.scrollHeight]');
    expect(width).toBe(390);
    expect(height).toBeLessThan(4000);
  });

  it('is taught where files can be kept, and else says so and stays as it was', async () => {
    await open('#mode=teach');
    await expect.poll(() => all('.class-card', '1')).toHaveLength(2);
    const pictures = (...names: string[]) => names.map((name) => join(ROOT, 'examples', name)).join('\n');
    await webkit.type('.class-card:nth-child(1) input[type=file]', pictures('husky.png', 'dog.jpg'));
    await webkit.type('.class-card:nth-child(2) input[type=file]', pictures('coffee.jpg', 'astronaut.jpg'));
    await expect.poll(() => all('.class-pictures li', '1')).toHaveLength(4);
    await settled();
    await webkit.click('#panel-teach button.main');
    // A driver's window is a private one.
    await says('#status', /no files can be kept here; open the page .* in a window that is not private/);
    await settled();
    expect(await all('.class-pictures li', '1')).toHaveLength(4);
    expect(await of('#panel-teach button.main', 'one.checkVisibility()')).toBe(true);
  });

  if (isDark) return; // what is left is no other in the dark

  it('names a chosen picture as Node does, and leaves it there when a file is not a picture', async () => {
    await webkit.type('#file', HUSKY);
    await answers('malamute');
    using classify = await pipeline('image-classification');
    const expected = await classify(HUSKY);
    const shares = await all<string>('#labels button', 'one.querySelector("span:last-child").textContent');
    const names = await all<string>('#labels button', 'one.title');
    expect(names).toEqual(expected.map(({ label }) => label));
    for (const [n, { score }] of expected.entries()) {
      expect(Math.abs(Number.parseFloat(shares[n]!) / 100 - score)).toBeLessThan(0.0006); // it is rounded
    }
    await webkit.type('#file', join(ROOT, 'package.json'));
    await says('#status', /^package\.json/);
    await settled();
    expect(await text('#headline')).toBe('malamute');
    expect(await all('#labels button', 'one.title')).toEqual(names);
    await webkit.click('#labels li:nth-child(2) button');
    await says('#caption', /^Eskimo dog/);
    await settled();
  });

  it('shows the inside, down to a sum that is the network’s own number', async () => {
    await of('#inside', 'one.scrollIntoView()');
    await expectSum();
    expect(await all('#strip button', '1')).toHaveLength(20);
    await webkit.click('#strip [data-stage="layer.3"]');
    await says('#zoom h3 code', 'layer\\.3');
    await expectSum();
    await webkit.click('#zoom [data-layer="layer.3.reduce_1x1"]');
    await expect.poll(() => all('#zoom .terms li', '1')).toHaveLength(9);
    await expectSum();
    await webkit.click('#strip [data-stage=classifier]');
    await says('#zoom', /What spoke for “macaw”/);
    await expectSum();
  });

  it('switches engines in settings that are as high as what they hold', async () => {
    await webkit.click('#settings-open');
    const [height, content] = await of<number[]>(
      '#settings',
      '[one.clientHeight, one.lastElementChild.getBoundingClientRect().bottom - one.firstElementChild.getBoundingClientRect().top]',
    );
    expect(height! - content!).toBeLessThan(100);
    const middles = await all<number>(
      '#engine, .switch label',
      '(({ top, bottom }) => (top + bottom) / 2)(one.getBoundingClientRect())',
    );
    expect(Math.max(...middles) - Math.min(...middles)).toBeLessThan(2);
    for (const engine of ['js', 'wasm']) {
      await webkit.click(`label[for=${engine}]`);
      await answers('macaw');
      expect(await of(`#${engine}`, 'one.checked')).toBe(true);
    }
    await webkit.click('#settings-close');
    expect(await of('#settings', 'one.open')).toBe(false);
  });

  it('speaks Arabic, from the right', async () => {
    await webkit.click('[data-sample="dog.jpg"]');
    await webkit.click('#language');
    await webkit.click('button[data-mode=where]');
    await answers('درّاجة هوائية، كلب، سيارة');
    expect(await of('html', '[one.dir, one.scrollWidth <= innerWidth]')).toEqual(['rtl', true]);
    const [stage, panel] = await all<number>('#stage, #panel', 'one.getBoundingClientRect().left');
    expect(stage).toBeGreaterThan(panel!);
    await webkit.click('#language');
    expect(await of('html', 'one.dir')).toBe('ltr');
  });

  it('is used by keyboard alone', async () => {
    /** Tabs on to an element, whose focus can be seen. */
    const tabTo = async (selector: string) => {
      for (let n = 0; n < 120; n++) {
        await webkit.press(KEYS.Tab);
        const [there, outline] = await webkit.evaluate<[boolean, string]>(
          `((one) => [one.matches(${JSON.stringify(selector)}), getComputedStyle(one).outlineStyle])(document.activeElement)`,
        );
        if (there) return expect(outline).not.toBe('none');
      }
      throw new Error(`no way to ${selector} by Tab`);
    };
    await tabTo('[data-sample="cat.jpg"]');
    await webkit.press(KEYS.Enter);
    await answers('Egyptian cat');
    await tabTo('#labels li:nth-child(2) button');
    await webkit.press(KEYS.Enter);
    await says('#caption', /^tiger cat/);
    await settled();
    await tabTo('#settings-open');
    await webkit.press(KEYS.Enter);
    await expect.poll(() => of('#settings', 'one.open')).toBe(true);
    await webkit.press(KEYS.Escape);
    await expect.poll(() => of('#settings', 'one.open')).toBe(false);
    await tabTo('button[data-mode=where]');
    await webkit.press(KEYS.Enter);
    await answers('cat');
    await tabTo('#strip button[data-stage="layer.3"]');
    await webkit.press(KEYS.Enter);
    await says('#zoom h3 code', 'layer\\.3');
    await expectSum();
    await tabTo('#zoom .choose');
    await webkit.press(KEYS.ArrowRight);
    await expectSum();
  });
});
