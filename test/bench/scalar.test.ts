/** The scalar loops of the ablation are right, or their times mean nothing. */
import { describe, expect, it } from 'vitest';
import { scalarKernel, scalarNetwork } from '../../bench/scalar.mjs';
import { MobileNetV2Config, MobileNetV2ForImageClassification, Tensor } from '../../src/entries/main-node.js';
import type { Spec } from '../../src/layers/spec.js';
import { waves } from '../helpers/waves.js';
import { CONV3X3, compare, DEPTHWISE, type Operands, POINTWISE, sizes } from '../layers/cases.js';

function run(spec: Spec, given: Operands): Float32Array {
  const kernel = scalarKernel(spec, { ...given, y: new Float32Array(sizes(spec).y) });
  kernel.run();
  return kernel.y();
}

describe('scalar kernels', () => {
  const cases = [...CONV3X3, ...DEPTHWISE, ...POINTWISE];
  it.each(['conv3x3', 'depthwise3x3', 'pointwise'])('%s', (op) => {
    const own = cases.filter((spec) => spec.op === op);
    expect(own.length).toBeGreaterThan(50);
    for (const spec of own) compare((_, given, y) => y.set(run(spec, given)), spec);
  });
});

describe('scalar network', () => {
  it('gives the logits of the reference', async () => {
    const config = new MobileNetV2Config({ depth_multiplier: 0.35, num_labels: 5, initializer_range: 0.3 });
    const model = new MobileNetV2ForImageClassification(config, { device: 'reference', seed: 2 });
    const dims = [2, 3, 48, 64] as const;
    const pixels = waves(2 * 3 * 48 * 64, 0.37);
    const { logits } = await model({ pixel_values: new Tensor('float32', pixels, dims) });
    const network = scalarNetwork(model, dims);
    for (let turn = 0; turn < 2; turn++) {
      network.plan.write(pixels);
      network.run();
      const largest = logits.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const output = network.output();
      expect(output).toHaveLength(10);
      for (const [i, value] of logits.data.entries()) {
        expect(Math.abs(output[i] - value)).toBeLessThanOrEqual(1e-4 * Math.max(1, largest));
      }
    }
  });
});
