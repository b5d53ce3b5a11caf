import { describe, expect, test } from 'vitest';
import { type JsonObject, parseJson, showJson } from '../../src/base/json.js';
import { concat, expectError, fuzz, utf8 } from '../helpers/weight-files.js';

const file = 'config.json';
const parse = (source: string | Uint8Array) => parseJson(source, { file, code: 'CONFIG' });
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('accepts what JSON.parse accepts, and gives the same', () => {
  for (const text of [
    '{}',
    '[]',
    ' \t\r\n[ ]\n',
    'null',
    'true',
    'false',
    '0',
    '-0',
    '-1.5e-7',
    '1e400',
    '-1E+400',
    '9007199254740993',
    '""',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00"',
    '"é😀\u2028"',
    '{"a":[1,{"b":[]},"c"],"":null,"a b":{}}',
    '[1,[2,[3,[4]]]]',
  ]) {
    test(text, () => {
      expect(JSON.stringify(parse(text))).toBe(JSON.stringify(JSON.parse(text)));
      expect(parse(utf8(text))).toEqual(parse(text));
    });
  }

  test('numbers that cannot be sizes stay recognisable', () => {
    expect(parse('[1e400, -1, 1.5, 9007199254740993]')).toEqual([Infinity, -1, 1.5, 2 ** 53]);
    // Python's json writes these, into configurations; headers of weights have none.
    expect(parse('[NaN, Infinity, -Infinity]')).toEqual([Number.NaN, Infinity, -Infinity]);
    for (const text of ['NaN', '-Infinity']) {
      expectError(() => parseJson(text, { file, code: 'BAD_HEADER' }), { code: 'BAD_HEADER', file, offset: 0 });
    }
  });
});

describe('refuses what is not JSON, with code, file and byte offset', () => {
  const cases: [name: string, text: string | Uint8Array, offset: number][] = [
    ['empty text', '', 0],
    ['spaces only', '  ', 2],
    ['byte order mark', '\uFEFF{}', 0],
    ['byte order mark in bytes', concat(Uint8Array.of(0xef, 0xbb, 0xbf), utf8('{}')), 0],
    ['bad UTF-8', Uint8Array.of(0x22, 0xff, 0x22), 0],
    ['overlong UTF-8', Uint8Array.of(0x22, 0xc0, 0xaf, 0x22), 0],
    ['UTF-8 of a surrogate', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), 0],
    ['something after the value', '{} x', 3],
    ['two values', '1 2', 2],
    ['no closing brace', '{"a":1', 6],
    ['no closing bracket', '[1', 2],
    ['no closing quote', '"abc', 4],
    ['trailing comma in an object', '{"a":1,}', 7],
    ['trailing comma in an array', '[1,]', 3],
    ['missing comma', '[1 2]', 3],
    ['missing colon', '{"a" 1}', 5],
    ['missing value', '{"a":}', 5],
    ['key without quotes', '{a:1}', 1],
    ['single quotes', "{'a':1}", 1],
    ['comment', '/* */{}', 0],
    ['leading zero', '01', 1],
    ['leading plus', '+1', 0],
    ['bare dot', '.5', 0],
    ['dot at the end', '1.', 1],
    ['empty exponent', '1e', 1],
    ['hexadecimal', '0x10', 1],
    ['NaN misspelled', 'nan', 0],
    ['+Infinity', '+Infinity', 0],
    ['undefined', 'undefined', 0],
    ['capital literal', 'True', 0],
    ['cut literal', 'nul', 0],
    ['unknown escape', '"\\x41"', 1],
    ['short unicode escape', '"\\u12"', 1],
    ['escape at the end', '"\\', 1],
    ['raw line feed in a string', '"a\nb"', 2],
    ['raw NUL in a string', '"a\0b"', 2],
    ['lone high surrogate', '"\\ud800"', 0],
    ['lone low surrogate', '"\\udc00x"', 0],
    ['no-break space between values', '[\u00a01]', 1],
    ['offset counts bytes, not characters', '["é", x]', 7],
  ];
  for (const [name, text, offset] of cases) {
    test(name, () => expectError(() => parse(text), { code: 'CONFIG', file, offset, says: [file, 'expected'] }));
  }

  test('the offset is that of the file when the text begins inside one', () =>
    expectError(() => parseJson('{x', { file: 'f', code: 'BAD_HEADER', offset: 8 }), {
      code: 'BAD_HEADER',
      file: 'f',
      offset: 9,
    }));
});

describe('limits', () => {
  test('64 levels pass, 65 do not', async () => {
    expect(parse(nested(64))).toBeDefined();
    await expectError(() => parse(nested(65)), { code: 'CONFIG', file, offset: 64, says: ['64 levels'] });
  });
  test('a million brackets do not exhaust the stack', () =>
    expectError(() => parse('['.repeat(1_000_000)), { code: 'CONFIG', file, offset: 64 }));
  test('objects count as levels too', () =>
    expectError(() => parse('{"a":'.repeat(1000)), { code: 'CONFIG', file, offset: 5 * 64 }));
  test('a given depth replaces the default', () =>
    expectError(() => parseJson('[[]]', { file, code: 'CONFIG', maxDepth: 1 }), { code: 'CONFIG', offset: 1 }));
  test('10 MB and a byte', () =>
    expectError(() => parse(new Uint8Array(10 * 1024 * 1024 + 1)), { code: 'CONFIG', file, says: ['10485760'] }));
  test('a million values, however small', () =>
    expectError(() => parse(`[${'{},'.repeat(1_000_000)}{}]`), { code: 'CONFIG', file, says: ['1000000 values'] }));
  test('a given size replaces the default', () =>
    expectError(() => parseJson('[   ]', { file, code: 'CONFIG', maxBytes: 4 }), { code: 'CONFIG', file }));
});

describe('duplicate keys', () => {
  const cases: [name: string, text: string, tensor: string, offset: number][] = [
    ['at the top', '{"a":1,"a":2}', 'a', 7],
    ['spelled with an escape', '{"a":1,"\\u0061":2}', 'a', 7],
    ['inside an entry', '{"layer.0":{"dtype":1,"dtype":2}}', 'layer.0.dtype', 22],
    ['inside an array', '{"a":[{},{"b":1,"b":1}]}', 'a.1.b', 16],
    ['the empty key', '{"":1,"":1}', '', 6],
    ['__proto__', '{"__proto__":1,"__proto__":1}', '__proto__', 15],
  ];
  for (const [name, text, tensor, offset] of cases) {
    test(name, () => expectError(() => parse(text), { code: 'DUPLICATE_KEY', file, tensor, offset, says: ['twice'] }));
  }
  test('equal keys in different objects are no duplicates', () => {
    expect(parse('[{"a":1},{"a":{"a":2}}]')).toBeDefined();
  });
});

describe('no pollution', () => {
  test('__proto__, constructor and prototype are plain keys', () => {
    const object = parse('{"__proto__":{"polluted":1},"constructor":{"name":{}},"toString":2}') as JsonObject;
    expect(Object.keys(object)).toEqual(['__proto__', 'constructor', 'toString']);
    expect(Object.getPrototypeOf(object)).toBe(null);
    expect('polluted' in object).toBe(false);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
  test('an object with hostile keys can be shown', () => {
    expect(showJson(parse('{"constructor":{"name":{}},"toString":1,"length":-1}'))).toBe('an object');
    expect(showJson(parse('[[[[]]]]'))).toBe('an array of 1');
    expect(showJson(undefined)).toBe('nothing');
  });
});

test('20,000 damaged documents: our error, or what JSON.parse says', () => {
  const original = utf8(
    '{"a":[1,-2.5e3,true,null],"b":{"c\\u0041":"x\\n","__proto__":[]},"é":"😀","d":{"e":{"f":[[]]}}}',
  );
  fuzz(original, 20_000, 1, (bytes) => {
    const value = parse(bytes);
    expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(new TextDecoder().decode(bytes))));
  });
});
