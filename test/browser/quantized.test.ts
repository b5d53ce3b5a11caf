/** Quantized networks in a real browser: their kernels are loaded with the first of them, and give the bits that Node has. */
import { describe, expect, it } from 'vitest';
import { MobileNetV2ForImageClassification, Tensor } from '../../src/entries/main-node.js';
import { checkpointFiles } from '../../src/models/mobilenet-v2/checkpoint.js';
import { quantizedConfig, quantizedState } from '../helpers/quantized-models.js';
import { type Dims, waves } from '../helpers/waves.js';
import { BROWSERS, bundle, wholePage } from './whole-page.js';

const KERNELS = '/dist/layers/kernels-i16.js';
const ONE_FILE = '/dist/one-file.js';
const DIMS: Dims = [1, 3, 32, 32];
const PIXELS = '/weights/quantized/pixels';

const config = quantizedConfig('uint8');
const state = quantizedState(config, 'classify', 'uint8', 7);
const pixels = waves(3 * 32 * 32);

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
/** What the page wrote, once it has, and what it asked for. */
const OUTCOME = `(async () => {
  const output = document.querySelector('output');
  while (output.textContent === '') await new Promise((resolve) => setTimeout(resolve, 20));
  return { logits: output.textContent, asked: performance.getEntriesByType('resource').map(({ name }) => name) };
})()`;

async function files(): Promise<Map<string, string | Uint8Array>> {
  const architecture = 'MobileNetV2ForImageClassification';
  const checkpoint = checkpointFiles(config, state, { architecture, dtype: 'float32' });
  return new Map<string, string | Uint8Array>([
    ...[...checkpoint].map(([name, bytes]) => [`/weights/quantized/${name}`, bytes] as const),
    [ONE_FILE, await bundle("export * from 'mobilenet-v2';")],
    [PAGE, HTML],
    [PIXELS, new Uint8Array(pixels.buffer)],
  ]);
}

describe.each(BROWSERS)('in %s, quantized networks', (_, start) => {
  if (start === undefined) return it.skip('is not here');
  const whole = wholePage(start, files);

  /** Logits of a checkpoint in a page of its own, and which scripts the page asked for. */
  async function inPage(module: string, folder: string, device: 'wasm' | 'js') {
    const address = `${whole.server.origin}${PAGE}?${new URLSearchParams({ module, folder, device })}`;
    const { logits, asked } = await whole.browser.evaluate<{ logits: string; asked: string[] }>(address, OUTCOME);
    const scripts = asked.map((url) => new URL(url).pathname).filter((path) => path.endsWith('.js'));
    return { logits: JSON.parse(logits) as unknown, scripts };
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
