/** Every limit of env.limits: refused above it by name, before memory is taken; read again where it is raised. */
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import type { Limits } from '../../src/base/limits.js';
import {
  load_image,
  MobileNetV2ForImageClassification,
  MobileNetV2ImageProcessor,
  pipeline,
} from '../../src/entries/main-node.js';
import { temporaryFolder } from '../helpers/cli.js';
import { jpeg } from '../helpers/jpeg-files.js';
import { saveTinyClassifier, stripes } from '../helpers/tiny.js';
import { fixture, memoryFolder, utf8 } from '../helpers/weight-files.js';
import { Ledger, resident, timed } from './ledger.js';

const ledger = new Ledger('limits', 'npx vitest run test/reliability/limits.test.ts');

const before = { ...env.limits };
let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await saveTinyClassifier(folder);
});
afterEach(() => {
  Object.assign(env.limits, before);
});

const model = () => MobileNetV2ForImageClassification.from_pretrained(folder);
const bytesOf = (file: string) => new Uint8Array(readFileSync(`${folder}/${file}`));
const SHARD = 'model-00001-of-00002.safetensors';
const SECOND = 'model-00002-of-00002.safetensors';

/** The tiny model in two files: all tensors in the first; the second takes one as a pretext to be opened. */
async function loadSharded(): Promise<unknown> {
  const weights = bytesOf('model.safetensors');
  const header = JSON.parse(
    new TextDecoder().decode(weights.subarray(8, 8 + new DataView(weights.buffer).getUint32(0, true))),
  );
  const names = Object.keys(header).filter((name) => name !== '__metadata__');
  const weight_map = Object.fromEntries(names.map((name, i) => [name, i === 0 ? SECOND : SHARD]));
  const files = { 'config.json': bytesOf('config.json'), [SHARD]: weights, [SECOND]: weights };
  const index = utf8(JSON.stringify({ weight_map }));
  return MobileNetV2ForImageClassification.from_pretrained(
    memoryFolder({ ...files, 'model.safetensors.index.json': index }),
  );
}

const CASES: [limit: keyof Limits, low: number, what: string, call: () => Promise<unknown>, code?: string][] = [
  ['imagePixels', 32 * 32 - 1, 'a PNG', () => load_image(stripes(1))],
  ['imagePixels', 63, 'a JPEG', () => load_image(jpeg())],
  ['imageBytes', 50, 'a picture in memory', () => load_image(stripes(1))],
  ['jpegScans', 1, 'a progressive JPEG', () => load_image(jpeg({ progressive: true }))],
  ['headerBytes', 1000, 'a safetensors header', model],
  ['headerBytes', 10, 'a pickle', () => withBin()],
  ['tensors', 100, 'safetensors', model],
  ['tensors', 2, 'pytorch_model.bin', () => withBin()],
  ['tensors', 100, 'an index', () => loadSharded()],
  ['weightsBytes', 1000, 'safetensors', model],
  ['weightsBytes', 1000, 'pytorch_model.bin', () => withBin()],
  ['weightsBytes', 300_000, 'two shards, each within the limit', () => loadSharded()],
  ['jsonBytes', 100, 'config.json', model, 'LIMIT'],
  ['jsonBytes', 100, 'preprocessor_config.json', () => MobileNetV2ImageProcessor.from_pretrained(folder), 'LIMIT'],
  ['jsonDepth', 1, 'config.json', model, 'CONFIG'],
];

function withBin(): Promise<unknown> {
  const files = { 'config.json': bytesOf('config.json'), 'pytorch_model.bin': fixture('zip.bin') };
  return MobileNetV2ForImageClassification.from_pretrained(memoryFolder(files));
}

it('all of them are tried', () => {
  expect([...new Set(CASES.map(([limit]) => limit))].sort()).toEqual(Object.keys(env.limits).sort());
});

describe('can be lowered and raised', () => {
  it.each(CASES)('%s = %i: %s', async (limit, low, _what, call, code = 'LIMIT') => {
    env.limits[limit] = low;
    const { ms, error } = await timed(call);
    expect(error).toMatchObject({ name: 'MobileNetError', code });
    if (limit !== 'jsonDepth') expect((error as Error).message).toContain(limit);
    Object.assign(env.limits, before);
    const again = await timed(call);
    // What is read now may still be the weights of another model.
    if (again.error !== undefined) expect(again.error).not.toMatchObject({ code });
    ledger.add({ what: `Above env.limits.${limit}`, tried: 1, worstMs: ms });
  });
});

describe('are checked before memory is taken', () => {
  it.each(['model.safetensors', 'config.json', 'preprocessor_config.json'])('%s of 8 GB', async (file) => {
    truncateSync(`${folder}/${file}`, 8 * 2 ** 30); // a hole: it takes no room on the disk
    const rss = resident();
    const { ms, error } = await timed(() => pipeline('image-classification', folder));
    expect(error).toMatchObject({ code: 'LIMIT', file: `${folder}/${file}` });
    expect(resident() - rss).toBeLessThan(50);
    expect(ms).toBeLessThan(1000);
    ledger.add({ what: 'Files of 8 GB', tried: 1, worstMs: ms, rssMiB: resident() });
  });

  it('a shard of 8 GB, and an index of 8 GB', async () => {
    mkdirSync(`${folder}/sharded`);
    copyFileSync(`${folder}/config.json`, `${folder}/sharded/config.json`);
    const index = `${folder}/sharded/model.safetensors.index.json`;
    writeFileSync(index, JSON.stringify({ weight_map: { a: SHARD } }));
    writeFileSync(`${folder}/sharded/${SHARD}`, '');
    truncateSync(`${folder}/sharded/${SHARD}`, 8 * 2 ** 30);
    const load = () => MobileNetV2ForImageClassification.from_pretrained(`${folder}/sharded`);
    await expect(load()).rejects.toMatchObject({ code: 'LIMIT', file: `${folder}/sharded/${SHARD}` });
    truncateSync(index, 8 * 2 ** 30);
    await expect(load()).rejects.toMatchObject({ code: 'LIMIT', file: index });
    ledger.add({ what: 'Files of 8 GB', tried: 2 });
  });

  it('a picture of 8 GB', async () => {
    writeFileSync(`${folder}/large.png`, stripes(1));
    truncateSync(`${folder}/large.png`, 8 * 2 ** 30);
    const rss = resident();
    await expect(load_image(`${folder}/large.png`)).rejects.toMatchObject({ code: 'LIMIT' });
    expect(resident() - rss).toBeLessThan(50);
    ledger.add({ what: 'Files of 8 GB', tried: 1 });
  });
});
