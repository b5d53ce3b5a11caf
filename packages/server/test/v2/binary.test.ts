import { describe, expect, it } from 'vitest';
import { floatsOf, headerLength, joinBody, packElements, unpackElements } from '../../src/v2/binary.js';

describe('elements of BYTES', () => {
  it('are a little-endian length and bytes each', () => {
    expect([...packElements([Uint8Array.of(7, 8), new Uint8Array(0)])]).toEqual([2, 0, 0, 0, 7, 8, 0, 0, 0, 0]);
  });

  it('come out as they went in, wherever in a buffer they lie', () => {
    const elements = [new Uint8Array(300).fill(1), new Uint8Array(0), Uint8Array.of(9)];
    const body = new Uint8Array([255, ...packElements(elements)]).subarray(1);
    expect(unpackElements(body, 3, 'x')).toEqual(elements);
  });

  it.each([
    ['too few', [1, 0, 0, 0, 5], 2, 'x: expected 2 elements, got 1 in 5 bytes'],
    ['too many', [1, 0, 0, 0, 5, 0, 0, 0, 0], 1, 'x: expected 1 elements in 5 bytes, got 9 bytes'],
    [
      'a length past the end',
      [255, 255, 255, 255, 5],
      1,
      'x[0]: expected at most the 1 bytes that are left, got 4294967295',
    ],
    ['half a length', [1, 0], 1, 'x: expected 1 elements, got 0 in 2 bytes'],
    ['more than there can be', [0, 0, 0, 0], 2 ** 40, `x: expected ${2 ** 40} elements, got 1 in 4 bytes`],
  ])('are refused with %s', (_what, bytes, count, message) => {
    expect(() => unpackElements(Uint8Array.from(bytes), count, 'x')).toThrow(message);
  });
});

describe('floatsOf', () => {
  const values = Float32Array.of(1.5, -2, 3e38);
  const bytes = new Uint8Array(values.buffer);

  it('makes a view where bytes lie at a multiple of four', () => {
    expect(floatsOf(bytes)).toEqual(values);
    expect(floatsOf(bytes).buffer).toBe(values.buffer);
  });

  it.each([1, 2, 3])('copies where they lie %i past one', (past) => {
    const shifted = new Uint8Array(past + bytes.length);
    shifted.set(bytes, past);
    expect(floatsOf(shifted.subarray(past))).toEqual(values);
  });
});

describe('Inference-Header-Content-Length', () => {
  it('is a whole number up to the length of the body', () => {
    expect(headerLength(undefined, 10)).toBeUndefined();
    expect(headerLength('0', 10)).toBe(0);
    expect(headerLength('10', 10)).toBe(10);
  });

  it.each(['11', '-1', '1.5', '0x4', '', ' 4', 'NaN', '9'.repeat(30)])('is refused as %j', (text) => {
    expect(() => headerLength(text, 10)).toThrow(/^Inference-Header-Content-Length: expected a whole number up to/);
  });
});

it('joinBody counts bytes of the JSON, not characters', () => {
  const { body, header } = joinBody({ label: 'größe' }, [Uint8Array.of(1, 2)]);
  expect(JSON.parse(new TextDecoder().decode(body.subarray(0, header)))).toEqual({ label: 'größe' });
  expect([...body.subarray(header)]).toEqual([1, 2]);
});
