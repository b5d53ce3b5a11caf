/** `model.gradients` in a real browser: what computes them is loaded by the page when they are asked for. */
import { describe, expect, it } from 'vitest';
import { MobileNetV2Config, MobileNetV2ForImageClassification, Tensor } from '../../src/entries/main-node.js';
import { BROWSERS, bundled, wholePage } from './whole-page.js';

/** The same in Node and in the page: it travels as text. */
async function gradients(
  own: Pick<
    typeof import('../../src/entries/main.js'),
    'MobileNetV2Config' | 'MobileNetV2ForImageClassification' | 'Tensor'
  >,
  threads: number,
) {
  const fields = { depth_multiplier: 0.35, num_labels: 5, initializer_range: 0.2 };
  const model = new own.MobileNetV2ForImageClassification(new own.MobileNetV2Config(fields), { seed: 3, threads });
  const pixels = Float32Array.from({ length: 4 * 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.37));
  const inputs = {
    pixel_values: new own.Tensor('float32', pixels, [4, 3, 64, 64]),
    labels: new own.Tensor('int64', [0n, 3n, 1n, 4n], [4]),
  };
  const norms: Record<string, number> = {};
  let loss = 0;
  // Other threads are there with the second call.
  for (const batch_norm of ['frozen', 'frozen', 'train'] as const) {
    const result = await model.gradients(inputs, { batch_norm, pixelGradient: true });
    loss += result.loss;
    for (const [name, { data }] of [...result.gradients, ['pixel_values', result.pixel_values!] as const]) {
      norms[`${batch_norm} ${name}`] = Math.hypot(...Array.from(data).slice(0, 10_000));
    }
  }
  model.dispose();
  return { loss, norms };
}

describe.each(BROWSERS)('in %s', (_, start) => {
  if (start === undefined) return it.skip('is not here');
  const whole = wholePage(start, () => bundled("export * from 'mobilenet-v2';"));

  it.each([
    ['plain', '/dist/entries/main-web.js', 1],
    ['plain', '/dist/bundle.js', 1],
    ['isolated', '/dist/bundle.js', 2],
  ])('a page that is %s, %s, threads: %i', async (kind, module, threads) => {
    const inNode = await gradients({ MobileNetV2Config, MobileNetV2ForImageClassification, Tensor }, 1);
    const text = `(async () => (${gradients})(await import(${JSON.stringify(module)}), ${threads}))()`;
    const address = `${whole.server.origin}/${kind}`;
    const inPage = await whole.browser.evaluate<Awaited<ReturnType<typeof gradients>>>(address, text);
    expect(inPage.loss).toBeCloseTo(inNode.loss, 3);
    expect(Object.keys(inPage.norms)).toEqual(Object.keys(inNode.norms));
    // Where Chromium has relaxed SIMD, sums are rounded once, and with the norms of a batch a unit may come to lie
    // beyond the bound of its clamp.
    const largest = Math.max(...Object.values(inNode.norms));
    for (const [name, norm] of Object.entries(inNode.norms)) {
      expect(Math.abs(inPage.norms[name] - norm), name).toBeLessThan(
        (name.startsWith('train') ? 0.1 : 1e-3) * norm + 1e-4 * largest,
      );
    }
  });

  it('the single file says where what computes them is', async () => {
    const text = `(async () => (${gradients})(await import('/dist/mobilenet-v2.min.js'), 1).catch(({ code, message }) => ({ code, message })))()`;
    const error = await whole.browser.evaluate(`${whole.server.origin}/plain`, text);
    expect(error).toMatchObject({ code: 'IO', message: expect.stringContaining('the single file does not train') });
  });
});
