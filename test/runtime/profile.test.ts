/** The profile: a row for every step of the plan, sums that agree, and results that stay what they were. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MobileNetError } from '../../src/base/errors.js';
import { MobileNetV2Config } from '../../src/models/mobilenet-v2/config.js';
import { MobileNetV2ForImageClassification } from '../../src/models/mobilenet-v2/image-classification.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { waves } from '../helpers/waves.js';

const config = new MobileNetV2Config({ depth_multiplier: 0.35, num_labels: 7, initializer_range: 0.3 });
const dims = [2, 3, 64, 48] as const;
const pixel_values = new Tensor('float32', waves(2 * 3 * 64 * 48), dims);

afterEach(() => vi.unstubAllGlobals());

describe('profile', () => {
  it.each(['wasm', 'js', 'reference'] as const)('has the steps of the plan (%s)', async (device) => {
    const model = new MobileNetV2ForImageClassification(config, { device, threads: 1 });
    const before = await model({ pixel_values });
    const profile = await model.profile({ pixel_values, output_hidden_states: [3] }, { runs: 4 });
    const plan = model.plan([...dims], { output_hidden_states: [3] });
    expect(profile).toMatchObject({ engine: device, dims, threads: 1, runs: 4 });
    expect(profile.steps.map(({ name, kernelName, spec }) => [name, kernelName, spec])).toEqual(
      plan.steps.map(({ name, kernelName, spec }) => [name, kernelName, spec]),
    );
    const sum = profile.steps.reduce((total, step) => total + step.multiplyAdds, 0);
    expect(sum).toBe(plan.multiplyAdds);
    expect(profile.total.multiplyAdds).toBe(plan.multiplyAdds);
    // The fastest whole run is at least the sum of every step's fastest.
    expect(profile.total.min).toBeGreaterThanOrEqual(profile.steps.reduce((total, step) => total + step.min, 0) - 1e-6);
    for (const step of [...profile.steps, profile.total]) {
      expect(step.median).toBeGreaterThanOrEqual(step.min);
      if (step.multiplyAdds === 0) {
        expect(step.share).toBeNull();
        continue;
      }
      expect(step.gmacs).toBeCloseTo(step.multiplyAdds / step.min / 1e6, 6);
      expect(step.share! * profile.peak!).toBeCloseTo(step.gmacs, 6);
    }
    expect(await model({ pixel_values })).toEqual(before);
  });

  it('counts bands as one step, and waits for its turn', async () => {
    const model = new MobileNetV2ForImageClassification(config, { device: 'js', memory: 'low' });
    const pixel_values = new Tensor('float32', new Float32Array(3 * 160 * 160).fill(0.5), [1, 3, 160, 160]);
    const [result, profile] = await Promise.all([
      model({ pixel_values }),
      model.profile({ pixel_values }, { runs: 1 }),
      model({ pixel_values }),
    ]);
    const names = profile.steps.map(({ kernelName }) => kernelName).filter((name) => name.startsWith('inverted'));
    expect(names).toContain('inverted_residual_s2_f32__js');
    for (const name of names) expect(name).toMatch(/^inverted_residual_s(1_f32|1_f32_add|2_f32)__js$/);
    expect((await model({ pixel_values })).logits).toEqual(result.logits);
  });

  it('has no peak where nothing may be compiled', async () => {
    vi.stubGlobal('WebAssembly', undefined);
    const model = new MobileNetV2ForImageClassification(config, { device: 'auto' });
    const { engine, peak, total } = await model.profile({ pixel_values }, { runs: 1 });
    expect({ engine, peak, share: total.share }).toEqual({ engine: 'js', peak: null, share: null });
    expect(total.gmacs).toBeGreaterThan(0);
  });

  it.each([0, 1.5, -1, Number.NaN, 1e6, '3' as never])('refuses %s runs', async (runs) => {
    const model = new MobileNetV2ForImageClassification(config);
    const error = await model.profile({ pixel_values }, { runs }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MobileNetError);
    expect((error as MobileNetError).message).toMatch(/^runs: expected a whole number from 1 to 100000, got /);
  });

  it('ends when it is told to', async () => {
    const model = new MobileNetV2ForImageClassification(config, { device: 'js' });
    const before = await model({ pixel_values });
    const abort = new AbortController();
    const profile = model.profile({ pixel_values, signal: abort.signal }, { runs: 100_000 });
    setTimeout(() => abort.abort(new Error('enough')), 50);
    await expect(profile).rejects.toThrow('enough');
    await expect(model.profile({ pixel_values, signal: abort.signal })).rejects.toThrow('enough');
    expect(await model({ pixel_values })).toEqual(before);
  });
});
