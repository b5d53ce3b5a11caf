/** The arithmetic behind the benchmark's charts. */
import { describe, expect, it } from 'vitest';
import { attainable, bytesOf, bytesOfPlan, figuresOf, intensityOf } from '../../bench/roofline.mjs';
import { MobileNetV2Config, MobileNetV2ForImageClassification } from '../../src/entries/main-node.js';
import { multiplyAdds } from '../../src/layers/spec.js';
import { CONV3X3, DEPTHWISE, OTHERS, POINTWISE, sizes } from '../layers/cases.js';
import { CASES_I16, sizesI16 } from '../layers/i16-cases.js';
import { OTHER_CASES_I16 } from '../layers/i16-other-cases.js';

describe('bytes', () => {
  it('are those of all operands', () => {
    for (const spec of [...CONV3X3, ...DEPTHWISE, ...POINTWISE, ...OTHERS]) {
      const { x, weights, bias, residual, other, y } = sizes(spec);
      expect(bytesOf(spec), JSON.stringify(spec)).toBe(4 * (x + weights + bias + residual + other + y));
    }
  });

  it('of whole numbers are fewer', () => {
    for (const spec of [...CASES_I16, ...OTHER_CASES_I16]) {
      const { x, weights, bias, multiplier, other, y } = sizesI16(spec);
      const [read, weight] = [spec.op === 'quantize' ? 4 : 2, 'weights' in spec && spec.weights === 'i16' ? 2 : 1];
      const bytes =
        read * x + weight * weights + 4 * (bias + multiplier) + 2 * other + (spec.op === 'sums' ? 4 : 2) * y;
      expect(bytesOf(spec), JSON.stringify(spec)).toBe(bytes);
    }
  });

  it('of a block are its ends and its weights', () => {
    const model = new MobileNetV2ForImageClassification(new MobileNetV2Config(), { device: 'js', memory: 'low' });
    const apart = new MobileNetV2ForImageClassification(new MobileNetV2Config(), { device: 'js' });
    const plan = model.plan([1, 3, 224, 224]);
    const block = plan.steps.find(({ name }) => name.startsWith('layer.1.'))!;
    expect(block.spec.op).toBe('inverted_residual');
    // layer.1: 56×56, 24 channels in and out, 144 between.
    const weights = 24 * 144 + 144 + 9 * 144 + 144 + 144 * 24 + 24;
    expect(bytesOf(block.spec)).toBe(4 * (2 * 56 * 56 * 24 + weights));
    expect(bytesOfPlan(plan)).toBeLessThan(bytesOfPlan(apart.plan([1, 3, 224, 224])) / 2);
  });

  it('refuse what they do not know', () => {
    expect(() => bytesOf({ op: 'fft' })).toThrow('no bytes are known for fft');
  });
});

describe('roofs', () => {
  const roofs = { peak: 32, bandwidth: { 1: 16, 2: 20 } };

  it('are memory on the left of the ridge, and multiply-adds on the right', () => {
    expect(attainable(roofs, 0.5)).toBe(8);
    expect(attainable(roofs, 2)).toBe(32);
    expect(attainable(roofs, 100)).toBe(32);
    expect(attainable(roofs, 0.5, 2)).toBe(10);
    expect(attainable(roofs, 100, 2)).toBe(64);
  });

  it('make shares', () => {
    // 64 M multiply-adds and 8 MB in 4 ms.
    const row = { macs: 64e6, bytes: 8e6, min: 4, threads: 1 };
    expect(figuresOf(row, roofs)).toEqual({ gmacs: 16, gigabytes: 2, shareOfPeak: 0.5, shareOfBandwidth: 0.125 });
    expect(figuresOf({ ...row, threads: 2 }, roofs)).toMatchObject({ shareOfPeak: 0.25, shareOfBandwidth: 0.1 });
    expect(intensityOf(row)).toBe(8);
  });

  it('place a depthwise convolution near one multiply-add a byte, and a pointwise one far right', () => {
    const ratio = (spec: (typeof DEPTHWISE)[number] | (typeof POINTWISE)[number]) =>
      intensityOf({ macs: multiplyAdds(spec), bytes: bytesOf(spec) });
    const map = { batch: 1, inHeight: 56, inWidth: 56, outHeight: 56, outWidth: 56, padTop: 1, padLeft: 1 } as const;
    const depthwise = {
      op: 'depthwise3x3',
      dtype: 'f32',
      ...map,
      channels: 144,
      stride: 1,
      dilation: 1,
      activation: 'relu6',
    } as const;
    expect(ratio(depthwise)).toBeCloseTo(9 / 8, 1);
    const product = { op: 'pointwise', dtype: 'f32', batch: 1, pixels: 196, inChannels: 96, outChannels: 576 } as const;
    expect(ratio({ ...product, biasPerImage: false, residual: false, activation: 'none' })).toBeGreaterThan(10);
  });
});
