/** Quantized networks in a real browser: their kernels are loaded with the first of them, and give the bits that Node has. */
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MobileNetV2ForImageClassification, Tensor } from '../../src/entries/main-node.js';
import { checkpointFiles } from '../../src/models/mobilenet-v2/checkpoint.js';
import { ROOT } from '../helpers/cli.js';
import type { Loopback } from '../helpers/loopback.js';
import { quantizedConfig, quantizedState } from '../helpers/quantized-models.js';
import { type Dims, waves } from '../helpers/waves.js';
import { findChromium } from './chromium.js';
import { serve } from './server.js';

const executablePath = findChromium();
const KERNELS = '/dist/layers/kernels-i16.js';
const ONE_FILE = '/dist/one-file.js';
const DIMS: Dims = [1, 3, 32, 32];
const PIXELS = '/weights/quantized/pixels';

const config = quantizedConfig('uint8');
const state = quantizedState(config, 'classify', 'uint8', 7);

const PAGE = '/test/browser/quantized.html';
/** Logits of a checkpoint, or what went wrong, as JSON. */
const HTML = `<!doctype html><meta charset="utf-8"><output></output>
<script type="module">
const { module, folder, device } = Object.fromEntries(new URLSearchParams(location.search));
async function logits() {
  const { MobileNetV2ForImageClassification, Tensor } = await import(module);
  const model = await MobileNetV2ForImageClassification.from_pretrained(folder, { device, threads: 1 });
  const pixels = new Float32Array(await (await fetch('${PIXELS}')).arrayBuffer());
  const result = await model({ pixel_values: new Tensor('float32', pixels, ${JSON.stringify(DIMS)}) });
  return [...result.logits.data];
}
document.querySelector('output').textContent = JSON.stringify(await logits().catch(String));
</script>`;

/** The package in an application's bundle: a single file. */
async function oneFile(): Promise<string> {
  const contents = "export * from 'mobilenet-v2';";
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ROOT },
    ...{ bundle: true, minify: true, platform: 'browser', format: 'esm', write: false },
  });
  return outputFiles[0].text;
}

describe.skipIf(executablePath === undefined)('in Chromium, quantized networks', () => {
  let browser: Browser;
  let server: Loopback;
  const pixels = waves(3 * 32 * 32);

  beforeAll(async () => {
    const architecture = 'MobileNetV2ForImageClassification';
    const files = checkpointFiles(config, state, { architecture, dtype: 'float32' });
    const served = [...files].map(([name, bytes]) => [`/weights/quantized/${name}`, bytes] as const);
    const own: [string, string | Uint8Array][] = [
      [ONE_FILE, await oneFile()],
      [PAGE, HTML],
      [PIXELS, new Uint8Array(pixels.buffer)],
    ];
    server = await serve(new Map<string, string | Uint8Array>([...served, ...own]));
    browser = await chromium.launch({ executablePath: executablePath! });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Logits of a checkpoint in a page of its own, and which scripts the page asked for. */
  async function inPage(module: string, folder: string, device: 'wasm' | 'js') {
    const tab = await browser.newPage();
    const asked: string[] = [];
    tab.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await tab.goto(`${server.origin}${PAGE}?${new URLSearchParams({ module, folder, device })}`);
    const output = tab.locator('output:not(:empty)');
    await output.waitFor({ state: 'attached' });
    const logits: unknown = JSON.parse((await output.textContent())!);
    await tab.close();
    return { logits, scripts: asked.filter((path) => path.endsWith('.js')) };
  }

  it.each(['/dist/entries/main-web.js', ONE_FILE, '/dist/mobilenet-v2.min.js'])('from %s', async (module) => {
    const pixel_values = new Tensor('float32', pixels, DIMS);
    using model = new MobileNetV2ForImageClassification(config, { state });
    const expected = [...(await model({ pixel_values })).logits.data];
    expect(new Set(expected).size).toBeGreaterThan(2);
    for (const device of ['wasm', 'js'] as const) {
      const { logits, scripts } = await inPage(module, '/weights/quantized', device);
      expect(logits, device).toEqual(expected);
      expect(scripts.filter((path) => path === KERNELS).length, device).toBe(module.includes('entries') ? 1 : 0);
    }
  });

  it('a page with float networks alone loads no kernels of theirs', async () => {
    const { logits, scripts } = await inPage('/dist/entries/main-web.js', '/weights/mobilenet_v2_1.0_224', 'wasm');
    expect(logits).toHaveLength(1001);
    expect(scripts).toContain('/dist/layers/kernels.js');
    expect(scripts.filter((path) => /i16/.test(path))).toEqual([]);
  });
});
