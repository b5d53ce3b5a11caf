/**
 * Damaged files by the ten thousand. Nothing may come of one but a result or a typed error, within 2 s and 512 MB.
 * `FUZZ_RUNS` says how many for each reader (pictures take half), `FUZZ_SEED` repeats a run; both are printed.
 *
 * Guided by what readers answer: an input whose answer (code, and message without its numbers and names) was not seen
 * before joins those that are damaged next. That needs no instrumented build, which tools that have one cannot make of ES
 * modules (jsfuzz hooks `require`, @jazzer.js needs a newer glibc), and it reached every refusal that the readers have.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import { MobileNetError } from '../../src/base/errors.js';
import { openModelFile } from '../../src/convert/model-file.js';
import { MobileNetV2Config, MobileNetV2ImageProcessor } from '../../src/entries/main-node.js';
import { readPytorch } from '../../src/formats/pytorch.js';
import { readSafetensors } from '../../src/formats/safetensors.js';
import { readShardIndex } from '../../src/formats/shards.js';
import { toFloat32, toInt64 } from '../../src/formats/stored.js';
import { readTflite } from '../../src/formats/tflite/tflite.js';
import { Zip } from '../../src/formats/zip.js';
import { decodeImage } from '../../src/images/decode.js';
import { exifOrientation } from '../../src/images/exif.js';
import { randomNumbers } from '../helpers/random.js';
import { SEED } from '../helpers/seed.js';
import { littleTflite, tfliteNetwork } from '../helpers/tflite-files.js';
import { concat, fixture, int, memoryFolder, split, utf8, zip } from '../helpers/weight-files.js';
import { Ledger, resident } from './ledger.js';
import { type Below, belowOf, mutateBytes, mutateJson, mutateTables } from './mutate.js';
import { mutateJpeg, mutatePng, withPngCrcs } from './mutate-pictures.js';
import { EXIFS, PNGS, JPEGS as SMALL_JPEGS } from './samples.js';

env.onWarning = () => {}; // half of the pictures are read with one

const RUNS = Number(process.env.FUZZ_RUNS ?? 5_000);
const ledger = new Ledger('fuzz', `FUZZ_SEED=${SEED} npm run fuzz`);

const SLOWEST = 2000;
const MOST_MEMORY = 512;
/** Inputs that wait to be damaged further, beside the sound ones. */
const MOST_KEPT = 500;

interface Target {
  name: string;
  seeds: readonly Uint8Array[];
  /** Makes one input of another. */
  mutate?: (bytes: Uint8Array, below: Below, other: Uint8Array) => Uint8Array;
  read: (bytes: Uint8Array) => unknown;
  /** One run in so many of RUNS. */
  share?: number;
}

const file = 'mutant';
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** JSON half of the time, bytes else. */
const jsonOrBytes = (bytes: Uint8Array, below: Below, other: Uint8Array): Uint8Array =>
  below(2) === 0 ? utf8(mutateJson(text(bytes), below)) : mutateBytes(bytes, below, other);

/** A mutated header with its right length before it and its data after it; or any bytes of the file. */
function mutateSafetensors(bytes: Uint8Array, below: Below, other: Uint8Array): Uint8Array {
  const length = bytes.length < 8 ? -1 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (length < 2 || length > bytes.length - 8 || below(3) === 0) return mutateBytes(bytes, below, other);
  const { header, data } = split(bytes);
  const mutant = jsonOrBytes(header, below, header);
  return concat(int(mutant.length, 8), mutant, data);
}

function readAll(tensors: ReturnType<typeof readSafetensors>['tensors']): void {
  for (const stored of tensors.values()) {
    if (stored.dtype === 'I64') toInt64(stored);
    else toFloat32(stored);
  }
}

/** A torch zip in parts: a mutant of its pickle is put in the place of the sound one, with the right checksum. */
const archive = new Zip(fixture('zip.bin'), 'zip.bin');
const PARTS = await Promise.all(
  [...archive.entries.values()].map(async (entry) => ({ name: entry.name, data: (await archive.read(entry)).bytes })),
);
const isPickle = ({ name }: { name: string }) => name.endsWith('data.pkl');
const withPickle = (data: Uint8Array) => zip(PARTS.map((part) => (isPickle(part) ? { ...part, data } : part)));

/** Three operators and a network. */
const LITTLE = littleTflite();
const NETWORK = tfliteNetwork({ dtype: 'uint8', last: 'SOFTMAX' });

const JPEGS = [...SMALL_JPEGS, ...ofEveryKind()];
/** Some of each kind that libjpeg-turbo writes, with tables and data as they are. */
function ofEveryKind(): Uint8Array[] {
  const read = (extension: string) =>
    readFileSync(new URL(`../goldens/images/jpeg_matrix.${extension}`, import.meta.url));
  const files = read('bin');
  const entries: { kind: string; at: number; bytes: number; error?: string }[] = Object.values(
    JSON.parse(read('json').toString()),
  );
  const perKind = new Map<string, number>();
  return entries
    .filter(({ kind, error }) => {
      perKind.set(kind, (perKind.get(kind) ?? 0) + 1);
      return error === undefined && kind !== 'damaged' && perKind.get(kind)! % 5 === 1;
    })
    .map(({ at, bytes }) => new Uint8Array(files.subarray(at, at + bytes)));
}

const INDEX = 'model.safetensors.index.json';
const weight_map = {
  'layer.0.weight': 'model-00001-of-00002.safetensors',
  'layer.1.weight': 'parts/model_2.safetensors',
};
const CONFIG = utf8(new MobileNetV2Config({ depth_multiplier: 0.35 }).to_json_string());
const PREPROCESSOR = utf8(JSON.stringify(new MobileNetV2ImageProcessor().to_dict()));

/** One decoder reads all files: what a damaged one leaves in its memory must not reach the next. */
let before: { sound: Uint8Array; pixels: Uint8Array | undefined; reads: number } | undefined;
async function readAsBefore(bytes: Uint8Array): Promise<unknown> {
  before ??= { sound: JPEGS[JPEGS.length - 1], pixels: undefined, reads: 0 };
  if (before.reads++ % 64 === 0) {
    const { data } = await decodeImage(before.sound, { file });
    before.pixels ??= data as Uint8Array;
    expect(Buffer.compare(data as Uint8Array, before.pixels)).toBe(0);
  }
  return decodeImage(bytes, { file });
}

const TARGETS: Target[] = [
  {
    name: 'safetensors',
    seeds: ['zip', 'dtypes', 'shared'].map((name) => fixture(`${name}.safetensors`)),
    mutate: mutateSafetensors,
    read: (bytes) => readAll(readSafetensors(bytes, { file }).tensors),
  },
  {
    name: 'index',
    seeds: [utf8(JSON.stringify({ metadata: { total_size: 8 }, weight_map })), utf8('{"weight_map":{}}')],
    mutate: jsonOrBytes,
    read(bytes) {
      for (const name of readShardIndex(bytes, { file: INDEX }).weightMap.values()) {
        expect(name).toMatch(/^\w[\w.-]*(\/\w[\w.-]*)*$/);
      }
    },
  },
  {
    name: 'config.json',
    seeds: [CONFIG, utf8('{"model_type":"mobilenet_v2","num_labels":3}')],
    mutate: jsonOrBytes,
    read: (bytes) => MobileNetV2Config.from_pretrained(memoryFolder({ 'config.json': bytes })),
  },
  {
    name: 'preprocessor_config.json',
    seeds: [PREPROCESSOR, utf8('{"size":224,"crop_size":[224,224],"image_mean":0.5}')],
    mutate: jsonOrBytes,
    read: (bytes) => MobileNetV2ImageProcessor.from_pretrained(memoryFolder({ 'preprocessor_config.json': bytes })),
  },
  {
    name: 'pytorch_model.bin',
    seeds: ['zip', 'legacy', 'protocol4', 'strided', 'shared', 'parameter'].map((name) => fixture(`${name}.bin`)),
    read: async (bytes) => readAll((await readPytorch(bytes, { file })).tensors),
  },
  {
    name: 'pickle, in a sound zip',
    seeds: [PARTS.find(isPickle)!.data],
    read: async (data) => readAll((await readPytorch(withPickle(data), { file })).tensors),
    share: 2,
  },
  {
    name: 'TFLite',
    seeds: [LITTLE],
    mutate: (bytes, below, other) =>
      below(2) === 0 ? mutateTables(bytes, below, bytes.length) : mutateBytes(bytes, below, other),
    read: (bytes) => readTflite(bytes, { file }),
  },
  {
    name: 'TFLite, as a model',
    seeds: [NETWORK.bytes],
    mutate: (bytes, below) => mutateTables(bytes, below, NETWORK.tables),
    read: (bytes) => openModelFile(bytes, file),
    share: 200,
  },
  { name: 'PNG', seeds: PNGS, read: (bytes) => decodeImage(bytes, { file }), share: 2 },
  {
    name: 'PNG, checksums right',
    seeds: PNGS,
    mutate: (...args) => withPngCrcs(mutateBytes(...args)),
    read: (bytes) => decodeImage(bytes, { file }),
    share: 2,
  },
  { name: 'PNG, chunks', seeds: PNGS, mutate: mutatePng, read: (bytes) => decodeImage(bytes, { file }), share: 2 },
  { name: 'JPEG', seeds: JPEGS, read: readAsBefore, share: 2 },
  { name: 'JPEG, segments and scans', seeds: JPEGS, mutate: mutateJpeg, read: readAsBefore, share: 2 },
  {
    name: 'EXIF',
    seeds: EXIFS,
    read: (bytes) => expect([1, 2, 3, 4, 5, 6, 7, 8]).toContain(exifOrientation(bytes)),
  },
];

/** What a reader answered, without what differs from file to file. */
const answerOf = ({ code, message }: MobileNetError): string =>
  `${code} ${message.replace(/"(?:[^"\\]|\\.)*"?|-?\d[\d.e+]*/g, '#')}`.slice(0, 120);

it.each(TARGETS)('$name', { timeout: 3600_000 }, async ({ name, seeds, read, mutate = mutateBytes, share = 1 }) => {
  const runs = Math.ceil(RUNS / share);
  console.log(`fuzz ${name}: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`);
  const below = belowOf(randomNumbers(SEED));
  const pool = [...seeds];
  const answers = new Set<string>();
  let accepted = 0;
  let worstMs = 0;
  let rssMiB = 0;
  await read(seeds[0]); // what is compiled with the first file is not the file's fault
  for (let run = 0; run < runs; run++) {
    const bytes = mutate(
      below(2) === 0 ? seeds[below(seeds.length)] : pool[below(pool.length)],
      below,
      pool[below(pool.length)],
    );
    const begin = performance.now();
    let answer = '';
    try {
      const result = read(bytes);
      if (result instanceof Promise) await result;
      accepted++;
      answer = 'fine';
    } catch (error) {
      if (!(error instanceof MobileNetError)) {
        throw new Error(`seed ${SEED}, run ${run}: ${error}: ${Buffer.from(bytes).toString('base64')}`, {
          cause: error,
        });
      }
      if (error.message.length >= 500) throw new Error(`run ${run}: a message of ${error.message.length} characters`);
      if (error.file === undefined) throw new Error(`run ${run}: no file: ${error.message}`);
      answer = answerOf(error);
    }
    worstMs = Math.max(worstMs, performance.now() - begin);
    if (worstMs > SLOWEST) throw new Error(`run ${run} took ${worstMs} ms: ${Buffer.from(bytes).toString('base64')}`);
    if (!answers.has(answer)) {
      answers.add(answer);
      if (bytes.length < 20_000 && pool.length < seeds.length + MOST_KEPT) pool.push(bytes);
    }
    if (run % 256 === 0) rssMiB = Math.max(rssMiB, resident());
  }
  expect(rssMiB).toBeLessThan(MOST_MEMORY);
  // Else the mutations would be too coarse, or too fine, to get anywhere. In a short run chance decides.
  if (runs >= 20_000) expect(accepted).toBeGreaterThan(0);
  if (name !== 'EXIF') expect(answers.size).toBeGreaterThan(5);
  const note = `${answers.size} different answers`;
  ledger.add({ what: name, tried: runs, accepted, worstMs, rssMiB, seed: SEED, note });
});
