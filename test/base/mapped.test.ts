/** Typed arrays of mapped values, and that nothing in src makes them by `TypedArray.from(values, fn)`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { mapped } from '../../src/base/mapped.js';

describe('mapped', () => {
  it('is what from would give', () => {
    const values = Float32Array.of(0, -1.5, 300, Number.NaN, 7.9);
    const make = (value: number, index: number) => value * 2 + index;
    expect(mapped(new Uint8Array(5), values, make)).toEqual(Uint8Array.from(values, make));
    expect(mapped(new Float64Array(2), BigInt64Array.of(-3n, 2n ** 53n), Number)).toEqual(Float64Array.of(-3, 2 ** 53));
    expect(mapped(new BigInt64Array(2), [1, true], (value) => BigInt(value))).toEqual(BigInt64Array.of(1n, 1n));
  });

  it('makes nothing but the array, of as many values as a picture has', () => {
    const values = new Float32Array(20_000_000).fill(0.5);
    const before = process.memoryUsage().heapTotal;
    const made = mapped(new Uint8Array(values.length), values, (value) => value * 255);
    expect(made.at(-1)).toBe(127);
    expect(process.memoryUsage().heapTotal - before).toBeLessThan(50e6); // `from` takes 800 MB
  });
});

describe('src', () => {
  const src = fileURLToPath(new URL('../../src', import.meta.url));
  const files = (readdirSync(src, { recursive: true }) as string[]).filter((file) => file.endsWith('.ts'));
  /** V8 makes a list on the way, of 40 bytes a number; above some 90 million numbers it ends the process. */
  const FORBIDDEN = /(?:Big)?(?:Int|Uint|Float)\d+(?:Clamped)?Array\.from\((?!\s*\{ length: \d{1,4} \})/;

  it('the rule finds what it is to find', () => {
    for (const bad of [
      'Uint8Array.from(data, f)',
      'BigInt64Array.from(\n  list,',
      'Float32Array.from({ length: n }, f)',
    ]) {
      expect(bad).toMatch(FORBIDDEN);
    }
    expect('Uint8Array.from({ length: 256 }, f)').not.toMatch(FORBIDDEN);
  });

  it('makes no typed array by from, but for tables of a fixed size', () => {
    expect(files.length).toBeGreaterThan(100);
    const found = files.filter((file) =>
      FORBIDDEN.test(readFileSync(join(src, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')),
    );
    expect(found, 'mapped() of base/mapped.ts, new Float64Array(values), or map of the same kind').toEqual([]);
  });
});
