/** model.json and its shards, as they should be and otherwise. */
import { describe, expect, test } from 'vitest';
import type { Folder } from '../../src/base/folder.js';
import { toFloat32 } from '../../src/formats/stored.js';
import { readTfjs } from '../../src/formats/tfjs.js';
import { expectError, fuzzAsync, memoryFolder, utf8 } from '../helpers/weight-files.js';

const file = 'model.json';
const topology = { model_config: { class_name: 'Model', config: { layers: [] } } };
const BYTES = Uint8Array.of(0, 0, 128, 63, 0, 0, 0, 64, 0, 128, 255, 9, 1, 0, 2, 0, 0x00, 0x3c, 0x00, 0xc0);
const WEIGHTS = [
  { name: 'a', shape: [2], dtype: 'float32' },
  { name: 'b', shape: [2, 2], dtype: 'float32', quantization: { dtype: 'uint8', min: -1, scale: 0.5 } },
  { name: 'c', shape: [2], dtype: 'float32', quantization: { dtype: 'uint16', min: 0, scale: 2 } },
  { name: 'd', shape: [2], dtype: 'float32', quantization: { dtype: 'float16' } },
];

interface Change {
  topology?: unknown;
  weights?: unknown;
  paths?: unknown;
  manifest?: unknown;
}
const json = ({
  topology: graph = topology,
  weights = WEIGHTS,
  paths = ['one.bin', 'two.bin'],
  manifest,
}: Change = {}) => utf8(JSON.stringify({ modelTopology: graph, weightsManifest: manifest ?? [{ paths, weights }] }));
// Cut in the middle of a number: shards are one run of bytes.
const folder = memoryFolder({ 'one.bin': BYTES.slice(0, 5), 'two.bin': BYTES.slice(5) });
const read = (bytes: Uint8Array, from: Folder = folder) => readTfjs(bytes, from, { file });

test('weights of every quantisation, across shards', async () => {
  const { tensors, topology: graph, format } = await read(json());
  const values = [...tensors].map(([name, stored]) => [name, stored.dims, [...toFloat32(stored).data]]);
  expect(values).toEqual([
    ['a', [2], [1, 2]],
    ['b', [2, 2], [-1, 63, 126.5, 3.5]],
    ['c', [2], [2, 4]],
    ['d', [2], [1, -2]],
  ]);
  expect(format).toBe('layers');
  expect(graph.class_name).toBe('Model');
});

test('a topology without model_config, and a graph of operations', async () => {
  expect((await read(json({ topology: topology.model_config }))).topology.class_name).toBe('Model');
  expect((await read(json({ topology: { node: [] } }))).format).toBe('graph');
});

describe('refuses', () => {
  const one = (weight: object) => json({ weights: [weight] });
  test.each([
    ['text', utf8('nonsense'), 'BAD_HEADER'],
    ['a list', utf8('[]'), 'BAD_HEADER'],
    ['no topology', json({ topology: null }), 'BAD_HEADER'],
    ['no manifest', json({ manifest: 7 }), 'BAD_HEADER'],
    ['a manifest of numbers', json({ manifest: [7] }), 'BAD_HEADER'],
    ['paths that are none', json({ paths: 'one.bin' }), 'BAD_HEADER'],
    ['a path that is a number', json({ paths: [1] }), 'BAD_HEADER'],
    ['a path that leaves the folder', json({ paths: ['../one.bin'] }), 'PATH_ESCAPE'],
    ['a path that is a URL', json({ paths: ['https://example.org/x.bin'] }), 'PATH_ESCAPE'],
    ['a shard that is not there', json({ paths: ['three.bin'] }), 'SHARD'],
    ['a weight without a name', one({ shape: [1], dtype: 'float32' }), 'BAD_HEADER'],
    ['a shape of text', one({ name: 'a', shape: ['1'], dtype: 'float32' }), 'SHAPE'],
    ['a negative shape', one({ name: 'a', shape: [-1], dtype: 'float32' }), 'SHAPE'],
    ['an unknown type', one({ name: 'a', shape: [1], dtype: 'string' }), 'DTYPE'],
    ['a type that is an object', one({ name: 'a', shape: [1], dtype: {} }), 'DTYPE'],
    ['a type that is a list of objects', one({ name: 'a', shape: [1], dtype: [{}] }), 'DTYPE'],
    ['a type from the prototype', one({ name: 'a', shape: [1], dtype: 'constructor' }), 'DTYPE'],
    [
      'integers as quantisation',
      one({ name: 'a', shape: [1], dtype: 'float32', quantization: { dtype: 'int32' } }),
      'DTYPE',
    ],
    ['a huge shape', one({ name: 'a', shape: [2 ** 40], dtype: 'float32' }), 'LAYOUT'],
    ['a shape past counting', one({ name: 'a', shape: [2 ** 40, 2 ** 40], dtype: 'float32' }), 'LAYOUT'],
    [
      'a scale that is missing',
      one({ name: 'a', shape: [1], dtype: 'float32', quantization: { dtype: 'uint8', min: 0 } }),
      'BAD_HEADER',
    ],
    ['bytes left over', json({ weights: WEIGHTS.slice(0, 2) }), 'LAYOUT'],
    ['a name twice', json({ weights: [WEIGHTS[0], WEIGHTS[0]] }), 'DUPLICATE_KEY'],
  ] as const)('%s', (_, bytes, code) => expectError(() => read(bytes), { code }));

  test('bad paths before anything is opened', async () => {
    const watched = memoryFolder({});
    await expectError(() => read(json({ paths: ['/etc/passwd'] }), watched), { code: 'PATH_ESCAPE', file });
    expect(watched.opened).toEqual([]);
  });
});

test('5,000 damaged models', async () => {
  expect(await fuzzAsync(json(), 5_000, 31, (bytes) => read(bytes))).toBeGreaterThan(0);
});
