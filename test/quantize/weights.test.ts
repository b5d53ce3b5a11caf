/** Weights of a layer as whole numbers, against numbers worked out by hand. */
import { describe, expect, it } from 'vitest';
import type { ConvNode } from '../../src/graph/nodes.js';
import { LEVELS } from '../../src/quantize/dtypes.js';
import { type FoldedLayer, foldLayer, quantizeLayer } from '../../src/quantize/weights.js';

const layer = (weight: number[], bias: number[], perOutput: number, more: Partial<FoldedLayer> = {}): FoldedLayer => ({
  name: 'layer.0.expand_1x1',
  weight: Float64Array.from(weight),
  bias: Float64Array.from(bias),
  outChannels: bias.length,
  perOutput,
  taps: 1,
  groups: 1,
  ...more,
});
const input = { scale: 0.5, most: 255, shift: 0, means: null };

describe('quantizeLayer', () => {
  it('gives every output channel its own scale', () => {
    const { weight, weightScale, bias } = quantizeLayer(
      layer([1.27, -0.5, 0.004, 127, 63.6, -127], [0.25, -64], 3),
      input,
      LEVELS.int8,
    );
    expect([...weight]).toEqual([127, -50, 0, 127, 64, -127]);
    expect(weightScale[0]).toBeCloseTo(0.01, 6);
    expect(weightScale[1]).toBeCloseTo(1, 5);
    expect([...bias]).toEqual([50, -128]); // 0.25 / (0.5 · 0.01), −64 / (0.5 · 1)
    expect(weight).toBeInstanceOf(Int8Array);
  });

  it('12 bits lie in int16', () => {
    const { weight, weightScale } = quantizeLayer(layer([2.047, -1], [0], 2), input, LEVELS.int16);
    expect([...weight]).toEqual([2047, -1000]);
    expect(weight).toBeInstanceOf(Int16Array);
    expect(weightScale[0]).toBeCloseTo(0.001, 8);
  });

  it('a dead channel gets a scale with which its bias is exact, one of all zeros any', () => {
    const { weight, weightScale, bias } = quantizeLayer(
      layer([0, 0, 1e-30, 0, 0, 0], [0.7, 0.7, 0], 2),
      input,
      LEVELS.int8,
    );
    expect([...weight]).toEqual([0, 0, 0, 0, 0, 0]);
    for (const k of [0, 1]) expect(0.5 * weightScale[k] * bias[k]).toBeCloseTo(0.7, 6);
    expect(Math.abs(bias[0])).toBeLessThan(2 ** 24);
    expect(weightScale[2]).toBe(1);
    expect(bias[2]).toBe(0);
  });

  it('sums stay within 32 bits, whatever the weights', () => {
    const count = 1280;
    for (const most of [4095, 2048]) {
      const all = layer(new Array(count).fill(0.3), [5], count);
      const { weight, bias } = quantizeLayer(all, { ...input, most }, LEVELS.int16);
      const sum = [...weight].reduce((total: number, w: number) => total + Math.abs(w), 0) * most + Math.abs(bias[0]);
      expect(sum).toBeLessThan(2 ** 31);
      expect(weight[0]).toBeGreaterThan(0.95 * Math.min(2047, 2 ** 31 / count / most));
    }
  });

  it('takes half a step of the picture away again', () => {
    const plain = quantizeLayer(layer([1.27, -0.5], [0], 2), input, LEVELS.int8);
    const { bias } = quantizeLayer(layer([1.27, -0.5], [0], 2), { ...input, shift: 0.24 }, LEVELS.int8);
    expect(plain.bias[0]).toBe(0);
    // Every input is greater by 0.24: the outputs by 0.24 · (1.27 − 0.5) = 0.1848, in steps of 0.5 · 0.01.
    expect(bias[0]).toBe(-Math.round(0.1848 / 0.005));
  });

  it('corrects the bias by what rounding adds on average', () => {
    // 0.004 becomes 0 and 0.016 becomes 0.02: with means 10 and 5 the sum loses 0.04 and gains 0.02.
    const rounded = layer([1.27, 0.004, 0.016], [0], 3);
    const { weight, bias } = quantizeLayer(rounded, { ...input, means: Float64Array.of(3, 10, 5) }, LEVELS.int8);
    expect([...weight]).toEqual([127, 0, 2]);
    expect(bias[0]).toBe(4); // 0.02 / 0.005
  });

  it('of a depthwise convolution the mean is that of its channel', () => {
    const taps = [1.27, 0.004, 0, 0, 0, 0, 0, 0, 0];
    const both = layer([...taps, ...taps], [0, 0], 9, { taps: 9, groups: 2 });
    const { bias } = quantizeLayer(both, { ...input, means: Float64Array.of(10, -20) }, LEVELS.int8);
    expect([...bias]).toEqual([8, -16]);
  });

  it('refuses what is not finite', () => {
    expect(() => quantizeLayer(layer([Number.NaN, 1], [0], 2), input, LEVELS.int8)).toThrow(/expand_1x1.*channel 0/);
  });
});

describe('foldLayer', () => {
  it('puts batch norm into weights and bias', () => {
    const node: ConvNode = {
      ...{ op: 'convolution', name: 'c', input: 'x', inChannels: 2, outChannels: 3, kernel: 1, stride: 1, dilation: 1 },
      ...{ groups: 1, padding: 'same', weight: 'w', bias: null, activation: 'relu6' },
      norm: { prefix: 'n', epsilon: 0.001 },
    };
    const tensors: Record<string, Float32Array> = {
      w: Float32Array.of(1, 2, 3, 4, 5, 6),
      'n.weight': Float32Array.of(1, 2, -1),
      'n.bias': Float32Array.of(0.5, 0, 1),
      'n.running_mean': Float32Array.of(1, 2, 3),
      'n.running_var': Float32Array.of(0.249, 3.999, 0.999),
    };
    const { weight, bias, perOutput } = foldLayer(node, (name) => tensors[name]);
    const factors = [2, 1, -1];
    expect(perOutput).toBe(2);
    [1, 2, 3, 4, 5, 6].forEach((w, i) => {
      expect(weight[i]).toBeCloseTo(w * factors[i >> 1], 5);
    });
    // β − μ·γ/√(σ² + ε)
    [0.5 - 2, 0 - 2, 1 + 3].forEach((b, k) => {
      expect(bias[k]).toBeCloseTo(b, 5);
    });
  });
});
