import { describe, expect, test } from 'vitest';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from '../../src/tensor/half.js';
import { randomNumbers } from '../helpers/random.js';

interface Format {
  name: string;
  exponentBits: number;
  fractionBits: number;
  widen: (bits: ArrayLike<number>) => Float32Array;
  round: (values: ArrayLike<number>) => Uint16Array;
}

const FORMATS: Format[] = [
  { name: 'float16', exponentBits: 5, fractionBits: 10, widen: float16ToFloat32, round: float32ToFloat16 },
  { name: 'bfloat16', exponentBits: 8, fractionBits: 7, widen: bfloat16ToFloat32, round: float32ToBfloat16 },
];
const PATTERNS = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);

/** The value by the definition of IEEE 754, in arithmetic and not in bits. */
function definedValue(bits: number, { exponentBits, fractionBits }: Format): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

/** Round to nearest, ties to even, by looking for the two neighbours among all values. */
function nearest(value: number, format: Format): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  const infinity = (2 ** format.exponentBits - 1) << format.fractionBits;
  let low = 0;
  let high = infinity;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (definedValue(middle, format) <= magnitude) low = middle;
    else high = middle;
  }
  // What would follow the largest finite value stands in for infinity: from halfway to it on, values round to infinity.
  const above = high === infinity ? 2 ** (2 ** (format.exponentBits - 1)) : definedValue(high, format);
  const below = definedValue(low, format);
  if (magnitude === Infinity) return sign | infinity;
  const toLow = magnitude - below;
  const toHigh = above - magnitude;
  return sign | (toLow < toHigh || (toLow === toHigh && low % 2 === 0) ? low : high);
}

for (const format of FORMATS) {
  describe(format.name, () => {
    const widened = format.widen(PATTERNS);

    test('all 65,536 patterns widen to the value that IEEE 754 defines', () => {
      const wrong = PATTERNS.filter((bits) => !Object.is(widened[bits], definedValue(bits, format)));
      expect([...wrong]).toEqual([]);
    });

    test('all 65,536 patterns come back, NaN as NaN', () => {
      const back = format.round(widened);
      const wrong = PATTERNS.filter((bits) =>
        Number.isNaN(widened[bits]!) ? !Number.isNaN(format.widen([back[bits]!])[0]) : back[bits] !== bits,
      );
      expect([...wrong]).toEqual([]);
    });

    test('NaN keeps its sign and the upper part of its payload', () => {
      const bits = new Uint32Array(widened.buffer);
      for (const pattern of PATTERNS) {
        if (!Number.isNaN(widened[pattern]!)) continue;
        expect(bits[pattern]! >>> 31).toBe(pattern >> 15);
        expect((bits[pattern]! & 0x7fffff) >>> (23 - format.fractionBits)).toBe(
          pattern & (2 ** format.fractionBits - 1),
        );
      }
    });

    test('float32 rounds to nearest, ties to even: around every value and halfway between neighbours', () => {
      const values: number[] = [];
      for (let bits = 0; bits < 0x7fff; bits += format.exponentBits === 5 ? 1 : 3) {
        const value = widened[bits]!;
        const middle = (value + widened[bits + 1]!) / 2;
        if (Number.isFinite(middle)) values.push(middle, middle * (1 + 2 ** -22), middle * (1 - 2 ** -22), -middle);
      }
      check(values);
    });

    test('float32 rounds to nearest at the edges', () => {
      const largest = definedValue(((2 ** format.exponentBits - 1) << format.fractionBits) - 1, format);
      const smallest = definedValue(1, format);
      check([
        0,
        -0,
        smallest / 2,
        (smallest / 2) * (1 + 2 ** -20),
        smallest / 4,
        largest,
        -largest,
        Infinity,
        -Infinity,
      ]);
      check([65504, 65519.99, 65520, 65536, 2 ** -14, 2 ** -25, 2 ** -149, 3.4028234663852886e38, 2 ** -126]);
    });

    test('20,000 random float32', () => {
      const next = randomNumbers(7);
      check(Array.from({ length: 20_000 }, () => (next() - 0.5) * 2 ** Math.floor((next() - 0.5) * 280)));
    });

    function check(values: number[]): void {
      const floats = Float32Array.from(values);
      const rounded = format.round(floats);
      const wrong = [...floats].filter((value, i) => rounded[i] !== nearest(value, format));
      expect(wrong).toEqual([]);
    }
  });
}
