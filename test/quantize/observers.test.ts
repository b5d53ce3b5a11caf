/** Observers and scales against what numpy says of the same numbers (the recipe is in goldens/quantize/observers.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MobileNetV2ImageProcessor } from '../../src/entries/main-node.js';
import { LEVELS } from '../../src/quantize/dtypes.js';
import { OBSERVERS } from '../../src/quantize/observers.js';
import { isNothing, rangeOfBytes, scaleOf, scaleOfBytes } from '../../src/quantize/scales.js';
import { waves } from '../helpers/waves.js';

interface Golden {
  minmax: [number, number];
  average: [number, number];
  percentile: [number, number];
  mse: Record<'int8' | 'int16', { range: [number, number]; error: number }>;
}

const goldens: Record<string, Golden> = JSON.parse(
  readFileSync(new URL('../goldens/quantize/observers.json', import.meta.url), 'utf8'),
);

/** Three pictures, each wider than the last; ninth powers, and a few numbers that are eight times as far out. */
const picture = (n: number, kind: string): Float32Array =>
  waves(100_000, 0.37 + n / 10).map((x, i) => {
    const cube = x * x * x;
    const wide = Math.fround((n + 1) * 3 * (cube * cube * cube) * (i % 20_000 === 7 ? 8 : 1));
    return kind === 'relu6' ? Math.min(Math.max(wide, 0), 6) : Math.fround(wide + 0.25);
  });

describe.each(Object.keys(goldens))('%s', (kind) => {
  const golden = goldens[kind];
  const look = (name: keyof typeof OBSERVERS) => {
    const observer = OBSERVERS[name]();
    for (const n of [0, 1, 2]) observer.observe(picture(n, kind));
    return observer;
  };

  it('minmax', () => {
    const { low, high } = look('minmax').range(LEVELS.int8);
    expect([low, high]).toEqual(golden.minmax);
  });

  it('average', () => {
    const { low, high } = look('average').range(LEVELS.int8);
    expect(low).toBeCloseTo(golden.average[0], 10);
    expect(high).toBeCloseTo(golden.average[1], 10);
  });

  it('percentile, to a bin of the histogram', () => {
    const { low, high } = look('percentile').range(LEVELS.int8);
    const bin = (golden.minmax[1] - golden.minmax[0]) / 1000;
    expect(Math.abs(low - golden.percentile[0])).toBeLessThan(bin);
    expect(Math.abs(high - golden.percentile[1])).toBeLessThan(bin);
  });

  it.each(['int8', 'int16'] as const)('mse: no range that numpy finds is better, for %s', (dtype) => {
    const levels = LEVELS[dtype];
    const range = look('mse').range(levels);
    const { scale, zeroPoint } = scaleOf(range, levels);
    let error = 0;
    for (const n of [0, 1, 2]) {
      for (const x of picture(n, kind)) {
        const raw = Math.min(Math.max(Math.round(x / scale) + zeroPoint, levels.min), levels.max);
        error += (scale * (raw - zeroPoint) - x) ** 2;
      }
    }
    // Within a twentieth: it goes by bins, and by what rounding does on average.
    expect(error / 300_000 / golden.mse[dtype].error).toBeLessThan(1.05);
  });
});

describe('what was seen decides, not the order', () => {
  it.each(['percentile', 'mse'] as const)('%s: zeros first, and wider and wider', (name) => {
    const parts = [
      new Float32Array(100),
      Float32Array.of(1e-3, -1e-3),
      Float32Array.of(3, -2, 1),
      Float32Array.of(700),
    ];
    const [up, down] = [OBSERVERS[name](), OBSERVERS[name]()];
    for (const part of parts) up.observe(part);
    for (const part of [...parts].reverse()) down.observe(part);
    expect(up.range(LEVELS.int8)).toEqual(down.range(LEVELS.int8));
  });

  it.each(Object.keys(OBSERVERS) as (keyof typeof OBSERVERS)[])('%s of nothing but zeros', (name) => {
    const observer = OBSERVERS[name]();
    observer.observe(new Float32Array(10));
    const range = observer.range(LEVELS.int8);
    expect(isNothing(range)).toBe(true);
    expect(scaleOf(range, LEVELS.int8)).toEqual({ scale: 1, zeroPoint: 0 });
  });
});

describe('scales', () => {
  it('zero is a whole number, and both ends are within', () => {
    for (const [low, high] of [
      [-1, 3],
      [0.5, 6],
      [-7, -2],
      [-1e-3, 900],
    ]) {
      for (const levels of Object.values(LEVELS)) {
        const { scale, zeroPoint } = scaleOf({ low, high }, levels);
        expect(Number.isInteger(zeroPoint)).toBe(true);
        expect(scale * (levels.min - zeroPoint)).toBeLessThanOrEqual(Math.min(low, 0) + scale / 2 + 1e-6);
        expect(scale * (levels.max - zeroPoint)).toBeGreaterThanOrEqual(Math.max(high, 0) - scale / 2 - 1e-6);
      }
    }
  });

  const processors: [string, object, 'int8' | 'int16'][] = [
    ['8 bits, a mean of 0.5', {}, 'int8'],
    ['12 bits, a mean of 0.5', {}, 'int16'],
    ['8 bits, a mean of 0', { image_mean: 0, image_std: 1 }, 'int8'],
    ['12 bits, a mean of a third', { image_mean: 1 / 3, image_std: 0.25 }, 'int16'],
    ['8 bits, no normalization', { do_normalize: false }, 'int8'],
  ];
  it.each(processors)('every byte of a picture is a whole number: %s', (_, options, dtype) => {
    const processor = new MobileNetV2ImageProcessor(options);
    const { scale, zeroPoint, shift } = scaleOfBytes(processor, LEVELS[dtype])!;
    const { do_normalize, image_mean, image_std } = processor;
    const [mean, std] = do_normalize ? [[image_mean!].flat()[0], [image_std!].flat()[0]] : [0, 1];
    const { min, max } = LEVELS[dtype];
    let before = Number.NEGATIVE_INFINITY;
    for (let byte = 0; byte < 256; byte++) {
      const whole = Math.fround(Math.fround((byte / 255 - mean) / std) + shift) / scale;
      const raw = Math.round(whole) + zeroPoint;
      expect(Math.abs(whole - Math.round(whole)), `${byte}`).toBeLessThan(1e-3);
      expect(raw).toBeGreaterThan(before);
      before = raw;
      expect(raw).toBeGreaterThanOrEqual(min);
      expect(raw).toBeLessThanOrEqual(max);
    }
    // With 12 bits there is always room for the halves and thirds of a step, with 8 the picture moves.
    expect(shift === 0).toBe(dtype === 'int16' || !do_normalize || mean === 0);
  });

  it('channels with numbers of their own have the range of all', () => {
    const imagenet = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };
    const processor = new MobileNetV2ImageProcessor(imagenet);
    expect(scaleOfBytes(processor, LEVELS.int8)).toBeNull();
    const { low, high } = rangeOfBytes(processor)!;
    expect(low).toBeCloseTo(-0.485 / 0.229, 6);
    expect(high).toBeCloseTo((1 - 0.406) / 0.225, 6);
    expect(rangeOfBytes(new MobileNetV2ImageProcessor({ do_rescale: false }))).toBeNull();
  });
});
