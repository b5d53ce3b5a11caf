import { describe, expect, test } from 'vitest';
import { loadWeights } from '../../src/formats/load.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { readSharded, readShardIndex } from '../../src/formats/shards.js';
import { toFloat32 } from '../../src/formats/stored.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { type ExpectedError, expectError, fixture, fuzz, memoryFolder, utf8 } from '../helpers/weight-files.js';

const file = 'model.safetensors.index.json';
const ONE = 'model-00001-of-00002.safetensors';
const TWO = 'model-00002-of-00002.safetensors';
const indexOf = (map: unknown, metadata: unknown = { total_size: 8 }) =>
  utf8(JSON.stringify({ metadata, weight_map: map }));
const shard = (values: Record<string, number>) =>
  writeSafetensors(
    new Map(Object.entries(values).map(([name, value]) => [name, new Tensor('float32', [value], [1])])),
    { metadata: { format: 'pt' } },
  );

describe('index', () => {
  test('names and their shards', () => {
    const { weightMap } = readShardIndex(indexOf({ a: ONE, b: TWO, ['__proto__']: ONE }), { file });
    expect([...weightMap]).toEqual([
      ['a', ONE],
      ['b', TWO],
      ['__proto__', ONE],
    ]);
  });
  test('no metadata, and shards in a folder', () => {
    const bytes = utf8('{"weight_map":{"a":"parts/model_1.safetensors"}}');
    expect(readShardIndex(bytes, { file }).weightMap.get('a')).toBe('parts/model_1.safetensors');
  });
  const cases: [name: string, text: string, expected: ExpectedError][] = [
    ['no JSON', 'x', { code: 'BAD_HEADER' }],
    ['array', '[]', { code: 'BAD_HEADER' }],
    ['null', 'null', { code: 'BAD_HEADER' }],
    ['no weight_map', '{}', { code: 'BAD_HEADER', tensor: 'weight_map' }],
    ['weight_map an array', '{"weight_map":["a"]}', { code: 'BAD_HEADER', tensor: 'weight_map' }],
    ['weight_map null', '{"weight_map":null}', { code: 'BAD_HEADER', tensor: 'weight_map' }],
    ['file name a number', '{"weight_map":{"a":1}}', { code: 'BAD_HEADER', tensor: 'weight_map.a' }],
    ['file name an object', '{"weight_map":{"a":{}}}', { code: 'BAD_HEADER', tensor: 'weight_map.a' }],
    ['metadata a string', '{"metadata":"x","weight_map":{}}', { code: 'BAD_HEADER', tensor: 'metadata' }],
    ['tensor twice', `{"weight_map":{"a":"${ONE}","a":"${TWO}"}}`, { code: 'DUPLICATE_KEY', tensor: 'weight_map.a' }],
    ['deep nesting', '['.repeat(1000), { code: 'BAD_HEADER' }],
  ];
  for (const [name, text, expected] of cases) {
    test(name, () => expectError(() => readShardIndex(utf8(text), { file }), { file, ...expected }));
  }
  test('20,000 damaged indexes', () => {
    fuzz(indexOf({ 'layer.0.weight': ONE, 'layer.1.weight': TWO }), 20_000, 8, (bytes) => {
      for (const name of readShardIndex(bytes, { file }).weightMap.values())
        expect(name).toMatch(/^\w[\w.-]*(\/\w[\w.-]*)*$/);
    });
  });
});

describe('S14: names that would leave the folder are refused, and nothing is opened', () => {
  const names: [why: string, name: string][] = [
    ['absolute', '/etc/passwd.safetensors'],
    ['two slashes', '//server/share.safetensors'],
    ['parent', '../model.safetensors'],
    ['parent in the middle', 'a/../../model.safetensors'],
    ['parent at the end', 'a/..'],
    ['parent with backslash', '..\\model.safetensors'],
    ['backslash', 'a\\b.safetensors'],
    ['drive', 'C:\\model.safetensors'],
    ['drive without root', 'C:model.safetensors'],
    ['drive with slash', 'c:/model.safetensors'],
    ['network share', '\\\\server\\share\\model.safetensors'],
    ['rooted without drive', '\\model.safetensors'],
    ['empty', ''],
    ['dot', '.'],
    ['two dots', '..'],
    ['dot segment', './model.safetensors'],
    ['empty segment', 'a//model.safetensors'],
    ['trailing slash', 'model.safetensors/'],
    ['NUL', 'model.safetensors\0.png'],
    ['NUL before the extension', '../x\0.safetensors'],
    ['line feed', 'a\nb.safetensors'],
    ['escape character', '\x1b[2Jmodel.safetensors'],
    ['delete', 'a\x7f.safetensors'],
    ['URL', 'https://example.org/model.safetensors'],
    ['file URL', 'file:///model.safetensors'],
    ['data URL', 'data:,model.safetensors'],
    ['percent-encoded parent', '%2e%2e/model.safetensors'],
    ['percent-encoded slash', '..%2fmodel.safetensors'],
    ['doubly encoded', '%252e%252e/model.safetensors'],
    ['full-width dots', '．．/model.safetensors'],
    ['division slash', '..∕model.safetensors'],
    ['overlong dots', '\u0000\u002e./model.safetensors'],
    ['home', '~/model.safetensors'],
    ['variable', '$HOME/model.safetensors'],
    ['Windows variable', '%TEMP%/model.safetensors'],
    ['query', 'model.safetensors?x=.safetensors'],
    ['fragment', 'model#.safetensors'],
    ['alternate stream', 'model.safetensors:x.safetensors'],
    ['trailing dot', 'a./model.safetensors'],
    ['trailing space', 'a /model.safetensors'],
    ['leading space', ' model.safetensors'],
    ['hidden file', '.git/model.safetensors'],
    ['option', '-rf.safetensors'],
    ['Windows device', 'con.safetensors'],
    ['Windows device in a folder', 'a/LPT1.safetensors'],
    ['right-to-left override', 'model\u202e.safetensors'],
    ['another format', 'pytorch_model.bin'],
    ['another spelling', 'model.SAFETENSORS'],
    ['no extension', 'model'],
    ['only the extension', '.safetensors'],
  ];
  for (const [why, name] of names) {
    test(why, async () => {
      const folder = memoryFolder({ [file]: indexOf({ good: ONE, bad: name }), [ONE]: shard({ good: 1 }) });
      await expectError(() => loadWeights(folder), {
        code: 'PATH_ESCAPE',
        file: `memory/${file}`,
        tensor: 'bad',
        says: ['"bad"'],
      });
      expect(folder.opened).toEqual(['model.safetensors', file]);
    });
  }
  test('a .bin index wants .bin shards', async () => {
    const folder = memoryFolder({ 'pytorch_model.bin.index.json': indexOf({ a: ONE }) });
    await expectError(() => loadWeights(folder), { code: 'PATH_ESCAPE', tensor: 'a', says: ['.bin'] });
  });
});

describe('S13: shards that are not what the index says', () => {
  const load = (map: Record<string, string>, files: Record<string, Uint8Array>) =>
    readSharded(memoryFolder(files), readShardIndex(indexOf(map), { file }));

  test('good shards, each opened once', async () => {
    const folder = memoryFolder({ [ONE]: shard({ a: 1, b: 2 }), [TWO]: shard({ c: 3 }) });
    const index = readShardIndex(indexOf({ a: ONE, c: TWO, b: ONE }), { file });
    const { tensors, metadata } = await readSharded(folder, index);
    expect(folder.opened).toEqual([ONE, TWO]);
    expect([...tensors].map(([name, t]) => [name, toFloat32(t).item(), t.file])).toEqual([
      ['a', 1, `memory/${ONE}`],
      ['b', 2, `memory/${ONE}`],
      ['c', 3, `memory/${TWO}`],
    ]);
    expect({ ...metadata }).toEqual({ format: 'pt' });
  });

  const cases: [
    name: string,
    map: Record<string, string>,
    files: Record<string, Uint8Array>,
    expected: ExpectedError,
  ][] = [
    [
      'shard missing',
      { a: ONE, b: TWO },
      { [ONE]: shard({ a: 1 }) },
      { code: 'SHARD', file: `memory/${TWO}`, tensor: 'b', says: [TWO] },
    ],
    [
      'tensor in the wrong shard',
      { a: ONE, b: TWO, c: TWO },
      { [ONE]: shard({ a: 1, b: 2 }), [TWO]: shard({ c: 3 }) },
      { code: 'SHARD', file: `memory/${TWO}`, tensor: 'b', says: ['"b"', ONE, TWO] },
    ],
    [
      'tensor in two shards',
      { a: ONE, b: TWO },
      { [ONE]: shard({ a: 1, b: 2 }), [TWO]: shard({ b: 2 }) },
      { code: 'SHARD', file: `memory/${TWO}`, tensor: 'b', says: ['two shards', ONE, TWO] },
    ],
    [
      'tensor in the index that no shard has',
      { a: ONE, b: ONE },
      { [ONE]: shard({ a: 1 }) },
      { code: 'SHARD', file: `memory/${ONE}`, tensor: 'b', says: ['"b"', 'no shard'] },
    ],
    [
      'tensor in a shard that the index lacks',
      { a: ONE },
      { [ONE]: shard({ a: 1, extra: 2 }) },
      { code: 'SHARD', file: `memory/${ONE}`, tensor: 'extra', says: ['"extra"', file] },
    ],
    [
      'tensors swapped',
      { a: TWO, b: ONE },
      { [ONE]: shard({ a: 1 }), [TWO]: shard({ b: 2 }) },
      { code: 'SHARD', file: `memory/${TWO}`, tensor: 'a' },
    ],
    [
      'shard damaged',
      { a: ONE },
      { [ONE]: shard({ a: 1 }).subarray(0, -1) },
      { code: 'TRUNCATED', file: `memory/${ONE}`, tensor: 'a' },
    ],
  ];
  for (const [name, map, files, expected] of cases) test(name, () => expectError(() => load(map, files), expected));
});

describe('what a folder may hold', () => {
  const single = shard({ a: 1 });
  const value = async (files: Record<string, Uint8Array>) => {
    const { tensors, file: found } = await loadWeights(memoryFolder(files));
    expect(found).toMatch(/^memory\//);
    return [found.slice('memory/'.length), toFloat32(tensors.values().next().value!).data[0]];
  };
  const bin = fixture('parameter.bin');

  test('model.safetensors comes first', async () => {
    expect(await value({ 'model.safetensors': single, [file]: utf8('x'), 'pytorch_model.bin': utf8('x') })).toEqual([
      'model.safetensors',
      1,
    ]);
  });
  test('then its index', async () => {
    const files = { [file]: indexOf({ b: ONE }), [ONE]: shard({ b: 2 }), 'pytorch_model.bin': utf8('x') };
    expect(await value(files)).toEqual([file, 2]);
  });
  test('then pytorch_model.bin', async () => {
    expect(await value({ 'pytorch_model.bin': bin })).toEqual(['pytorch_model.bin', 0]);
  });
  test('then the index of that', async () => {
    const index = 'pytorch_model.bin.index.json';
    const name = 'pytorch_model-00001-of-00001.bin';
    expect(await value({ [index]: indexOf({ weight: name, bias: name }), [name]: bin })).toEqual([index, 0]);
  });
  test('nothing', () =>
    expectError(() => loadWeights(memoryFolder({ 'config.json': utf8('{}') })), {
      code: 'NOT_FOUND',
      says: ['memory', 'model.safetensors', file, 'pytorch_model.bin'],
    }));
  test('a damaged model.safetensors does not fall through to another file', () =>
    expectError(() => loadWeights(memoryFolder({ 'model.safetensors': new Uint8Array(), 'pytorch_model.bin': bin })), {
      code: 'TRUNCATED',
      file: 'memory/model.safetensors',
    }));
  test('the signal reaches the folder, and an abort ends it', async () => {
    const abort = new AbortController();
    const folder = {
      name: 'slow',
      read: async (_: string, signal?: AbortSignal) => {
        expect(signal).toBe(abort.signal);
        abort.abort();
        return single;
      },
    };
    await expect(loadWeights(folder, abort.signal)).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  });
});
