/**
 * The readers of files, each with a maker of inputs whose structure is repeated, nested, aliased and overlapped. Lengths and
 * checksums are right again afterwards, or no reader would look further.
 */
import { readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { crc32, join } from '../../../src/base/bytes.js';
import { isJsonObject, parseJson } from '../../../src/base/json.js';
import { isKerasZip, readKerasH5, readKerasZip } from '../../../src/convert/keras-file.js';
import { readGraph } from '../../../src/convert/keras-graph.js';
import { parseLabels } from '../../../src/convert/labels.js';
import { mapTfjsGraph } from '../../../src/convert/tfjs-graph.js';
import { MobileNetV2Config, MobileNetV2ImageProcessor } from '../../../src/entries/main-node.js';
import { Hdf5 } from '../../../src/formats/hdf5.js';
import { loadWeights } from '../../../src/formats/load.js';
import { readPytorch } from '../../../src/formats/pytorch.js';
import { readSafetensors } from '../../../src/formats/safetensors.js';
import { type StoredTensor, toFloat32, toInt64 } from '../../../src/formats/stored.js';
import { readTfCheckpoint } from '../../../src/formats/tf-checkpoint.js';
import { readTfjs } from '../../../src/formats/tfjs.js';
import { readTflite } from '../../../src/formats/tflite/tflite.js';
import { Zip } from '../../../src/formats/zip.js';
import { decodeImage } from '../../../src/images/decode.js';
import { exifOrientation } from '../../../src/images/exif.js';
import { type Dataset, type Group, hdf5 } from '../../helpers/hdf5-files.js';
import { SIGNATURE } from '../../helpers/png-files.js';
import { littleTflite } from '../../helpers/tflite-files.js';
import { concat, int, memoryFolder, safetensors, split, utf8, zip } from '../../helpers/weight-files.js';
import { type Below, mutateTables } from '../mutate.js';
import { chunksOf, jpegPartsOf, mutateJpeg, mutatePng } from '../mutate-pictures.js';
import { EXIFS, JPEGS, PNGS } from '../samples.js';
import { MOST_BYTES, mutateParts, mutateTree, mutateWords, oneOf, type Word } from './mutate.js';
import { isMemo, operationsOf } from './pickles.js';
import { block, checksum, entry, field, footer, varint } from './tf-index.js';

export interface Reader {
  name: string;
  make(below: Below): Uint8Array;
  read(bytes: Uint8Array): unknown;
}

const file = 'mutant';
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));
const golden = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`test/goldens/${name}`, `file://${process.cwd()}/`)));

function look(tensors: Iterable<StoredTensor>): void {
  for (const stored of tensors) {
    if (stored.dtype === 'I64') toInt64(stored);
    else toFloat32(stored);
  }
}

/** Words of 4 or 8 bytes, little-endian, that may be addresses: they lie in the file and are not 0. */
function addressesIn(bytes: Uint8Array, size: 4 | 8, step: number): Word[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words: Word[] = [];
  for (let at = 0; at + size <= bytes.length; at += step) {
    const value = view.getUint32(at, true);
    if (value < 8 || value >= bytes.length) continue;
    if (size === 4 || view.getUint32(at + 4, true) === 0) words.push({ at, bytes: size });
  }
  return words;
}

// ---- safetensors and JSON

const SAFETENSORS = ['zip', 'dtypes', 'shared'].map((name) => split(golden(`pytorch/${name}.safetensors`)));

/** The largest end that the header gives, so that the data may be as long. */
const endOf = (header: string): number =>
  Math.max(0, ...Array.from(header.matchAll(/"data_offsets":\[\d+,(\d+)\]/g), (match) => Number(match[1])));

function makeSafetensors(below: Below): Uint8Array {
  const { header, data } = oneOf(SAFETENSORS, below);
  const changed = mutateTree(text(header), below);
  return below(2) === 0
    ? safetensors(changed, Math.min(endOf(changed), MOST_BYTES))
    : concat(int(utf8(changed).length, 8), utf8(changed), data);
}

/** An index and the headers of its shards. They are one input, as one that fits no shard says nothing of what follows. */
interface Sharded {
  index: string;
  headers: Record<string, string>;
}

const SHARD_COUNTS = [1, 1, 2, 2, 3, 5, 20];
const TENSOR_COUNTS = [0, 1, 1, 2, 2, 5, 20];
const METADATA = JSON.stringify({ total_size: 8, format: 'pt', made: { by: ['a', 1, null] } });

/** Half of them fit; of the rest a part was changed alone: the index, a header, or who has which tensor. */
function makeSharded(below: Below): Uint8Array {
  const map: [tensor: string, shard: string][] = [];
  const headers: Record<string, string> = {};
  for (let shards = oneOf(SHARD_COUNTS, below); shards > 0; shards--) {
    const shard = `${below(4) === 0 ? `part-${below(3)}/` : ''}model-${shards}.safetensors`;
    const tensors: Record<string, object> = below(2) === 0 ? {} : { __metadata__: { format: 'pt' } };
    let end = 0;
    for (let n = 0, count = oneOf(TENSOR_COUNTS, below); n < count; n++) {
      const size = below(3);
      const tensor = `layer.${shards}.${n}${below(20) === 0 ? '.\u202e' : ''}`;
      tensors[tensor] = { dtype: 'F32', shape: [size], data_offsets: [end, end + 4 * size] };
      end += 4 * size;
      map.splice(below(map.length + 1), 0, [tensor, shard]);
    }
    headers[shard] = JSON.stringify(tensors);
  }
  const metadata = below(2) === 0 ? METADATA : mutateTree(METADATA, below);
  const change = below(8);
  if (map.length > 0 && change === 0) map[below(map.length)][1] = oneOf(Object.keys(headers), below);
  if (map.length > 0 && change === 1) map.push([`${oneOf(map, below)[0]}${oneOf(['', 'x', '.'], below)}`, map[0][1]]);
  if (map.length > 0 && change === 2) map.splice(below(map.length), 1);
  const members = map.map(([tensor, shard]) => `${JSON.stringify(tensor)}:${JSON.stringify(shard)}`);
  let index = `{"metadata":${metadata},"weight_map":{${members.join(',')}}}`;
  if (change === 3) index = mutateTree(index, below);
  const shard = oneOf(Object.keys(headers), below);
  if (change === 4) headers[shard] = mutateTree(headers[shard], below);
  return utf8(JSON.stringify({ index, headers } satisfies Sharded));
}

/** The folder that such an input stands for. */
function shardedFolder(bytes: Uint8Array) {
  const { index, headers } = JSON.parse(text(bytes)) as Sharded;
  const shards = Object.entries(headers).map(([shard, header]) => [
    shard,
    safetensors(header, Math.min(endOf(header), MOST_BYTES)),
  ]);
  return memoryFolder({ 'model.safetensors.index.json': utf8(index), ...Object.fromEntries(shards) });
}

const CONFIG = new MobileNetV2Config({ depth_multiplier: 0.35 }).to_json_string();
const PREPROCESSOR = JSON.stringify(new MobileNetV2ImageProcessor().to_dict());
const TFJS = JSON.stringify({
  modelTopology: { node: [{ name: 'x', op: 'Placeholder' }] },
  weightsManifest: [
    { paths: ['a'], weights: [{ name: 'w', shape: [2, 3], dtype: 'float32' }] },
    {
      paths: ['b', 'x/../c'],
      weights: [{ name: 'v', shape: [12], dtype: 'float32', quantization: { dtype: 'uint8', scale: 1, min: 0 } }],
    },
  ],
});
const TFJS_SHARDS = { a: new Uint8Array(24), b: new Uint8Array(5), c: new Uint8Array(7) };

// ---- graphs

const weight = (name: string, dims: number[]): [string, StoredTensor] => {
  const bytes = new Uint8Array(4 * dims.reduce((a, b) => a * b, 1));
  return [name, { name, dims, dtype: 'F32', file, offset: 0, bytes }];
};
const GRAPH_TENSORS = new Map([
  weight('scale', []),
  weight('MobilenetV2/Conv/Conv2D_weights', [3, 3, 3, 32]),
  weight('MobilenetV2/Conv/Conv2D_bn_offset', [32]),
  weight('logits', [4, 3]),
]);
const input = (...names: string[]) => ({ input: names });
const GRAPH = JSON.stringify({
  node: [
    { name: 'x', op: 'Placeholder', attr: { shape: { shape: { dim: [{ size: '1' }, { size: '96' }] } } } },
    { name: 'scale', op: 'Const' },
    { name: 'mul', op: 'Mul', ...input('x', 'scale') },
    { name: 'conv', op: '_FusedConv2D', ...input('mul', 'MobilenetV2/Conv/Conv2D_weights') },
    { name: 'mean', op: 'Mean', ...input('conv') },
    { name: 'out', op: 'MatMul', ...input('mean', 'logits') },
    { name: 'prob', op: 'Softmax', ...input('out:0', '^x') },
  ],
});
const from = (name: string) => [
  { args: [{ class_name: '__keras_tensor__', config: { keras_history: [name, 0, 0] } }] },
];
const KERAS_GRAPH = JSON.stringify({
  class_name: 'Functional',
  config: {
    layers: [
      { class_name: 'InputLayer', name: 'x', config: { name: 'x', batch_shape: [null, 96, 96, 3] }, inbound_nodes: [] },
      { class_name: 'Rescaling', name: 's', config: { scale: 0.5, offset: -1 }, inbound_nodes: from('x') },
      {
        class_name: 'Functional',
        name: 'm',
        config: {
          layers: [
            {
              class_name: 'Conv2D',
              name: 'Conv1',
              config: { filters: 16, strides: [2, 2] },
              inbound_nodes: [[['x', 0, 0, {}]]],
            },
            { class_name: 'ReLU', name: 'Conv1_relu', config: { max_value: 6 }, inbound_nodes: from('Conv1') },
          ],
        },
        inbound_nodes: from('s'),
      },
      { class_name: 'Dropout', name: 'd', config: { rate: 0.2 }, inbound_nodes: from('m') },
      { class_name: 'Dense', name: 'p', config: { units: 3, activation: 'softmax' }, inbound_nodes: from('d') },
    ],
  },
});

// ---- zip and pickle

type ZipParts = { name: string; data: Uint8Array }[];
const archive = new Zip(golden('pytorch/zip.bin'), 'zip.bin');
const PARTS: ZipParts = await Promise.all(
  [...archive.entries.values()].map(async (one) => ({ name: one.name, data: (await archive.read(one)).bytes })),
);
const isPickle = ({ name }: { name: string }) => name.endsWith('data.pkl');

/** Where the fields of a zip's directory are that say where and how long: sizes, places, the end's counts. */
function zipWords(bytes: Uint8Array): Word[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words: Word[] = [];
  for (let at = 0; at + 22 <= bytes.length; at++) {
    if (bytes[at] !== 0x50 || bytes[at + 1] !== 0x4b) continue;
    const head = view.getUint32(at, true);
    const fields = head === 0x02014b50 ? [20, 24, 42] : head === 0x06054b50 ? [12, 16] : [];
    for (const one of fields) if (at + one + 4 <= bytes.length) words.push({ at: at + one, bytes: 4 });
    if (head === 0x06054b50) words.push({ at: at + 8, bytes: 2 }, { at: at + 10, bytes: 2 });
  }
  return words;
}

/** Most parts come again in every run. */
const PACKED = new WeakMap<Uint8Array, { crc: number; packed: Uint8Array }>();
function packedOf(data: Uint8Array): { crc: number; packed: Uint8Array } {
  const known = PACKED.get(data) ?? { crc: crc32(data), packed: new Uint8Array(deflateRawSync(data)) };
  PACKED.set(data, known);
  return known;
}

function makeZip(parts: ZipParts, below: Below): Uint8Array {
  const chosen = [...parts];
  for (let n = below(3); n > 0; n--) {
    const part = oneOf(chosen, below);
    const times = below(oneOf([2, 2, 4, 40], below));
    for (let i = 0; i < times; i++) chosen.push({ ...part, name: below(8) === 0 ? part.name : `${part.name}${n}${i}` });
  }
  const packed = chosen.map(({ name, data }) => {
    const { crc, packed: inside } = packedOf(data);
    return below(3) > 0 ? { name, data, crc } : { name, data: inside, method: 8, crc, unpacked: data.length };
  });
  const bytes = zip(packed, { zip64: below(8) === 0 });
  const heads = zipWords(bytes).filter((_, i) => i % 3 === 1);
  const view = new DataView(bytes.buffer);
  for (const [i, one] of packed.entries()) {
    if ('unpacked' in one && heads[i] !== undefined && view.getUint32(heads[i].at, true) !== 0xffffffff)
      view.setUint32(heads[i].at, one.unpacked!, true);
  }
  if (below(4) > 0) mutateWords(bytes, zipWords(bytes), below);
  return bytes;
}

async function readZip(bytes: Uint8Array): Promise<void> {
  const opened = new Zip(bytes, file);
  for (const one of opened.entries.values()) await opened.unpack(one);
}

function mutatePickle(operations: readonly Uint8Array[], below: Below): Uint8Array {
  const parts = mutateParts(operations, below).map((part) => part.slice());
  const memo = parts.filter(isMemo);
  for (let n = below(4); n > 0 && memo.length > 0; n--) oneOf(memo, below)[1] = oneOf(memo, below)[1];
  return concat(...parts);
}

const ZIPS = await Promise.all(
  ['zip.bin', 'protocol4.bin', 'strided.bin', 'shared.bin', 'parameter.bin'].map(async (name) => {
    const one = new Zip(golden(`pytorch/${name}`), name);
    return Promise.all(
      [...one.entries.values()].map(async (each) => ({ name: each.name, data: (await one.read(each)).bytes })),
    );
  }),
);
const PICKLES = ZIPS.map((parts) => operationsOf(parts.find(isPickle)!.data));
const LEGACY = operationsOf(golden('pytorch/legacy.bin'));

function makePickle(below: Below): Uint8Array {
  const at = below(ZIPS.length);
  const data = mutatePickle(PICKLES[at], below);
  return zip(ZIPS[at].map((part) => (isPickle(part) ? { ...part, data } : part)));
}

const readTorch = async (bytes: Uint8Array) => look((await readPytorch(bytes, { file })).tensors.values());

// ---- HDF5 and Keras

const H5 = ['dense', 'earliest', 'latest', 'one-chunk'].map((name) => golden(`convert/${name}.h5`));
const NAMES = ['vars', '0', '1', 'model_weights', 'Conv1', 'kernel:0', 'layers', 'bn_Conv1', 'gamma', 'x'];

/** Groups and datasets, each led to from anywhere above. */
function makeGroups(below: Below): Uint8Array {
  const datasets: Dataset[] = Array.from({ length: 1 + below(3) }, () => {
    const dims = [1 + below(oneOf([3, 400], below)), 1 + below(3)];
    return below(2) === 0 ? { dims } : { dims, chunk: 1 + below(dims[0]) };
  });
  const groups: Group[] = Array.from({ length: 1 + below(6) }, () => new Map());
  for (let n = 1 + below(oneOf([5, 60], below)); n > 0; n--) {
    const at = below(groups.length);
    const name = below(2) === 0 ? oneOf(NAMES, below) : `${below(100)}`;
    groups[at].set(name, oneOf([...groups.slice(at + 1), ...datasets], below));
  }
  return hdf5(groups[0]);
}

function makeHdf5(below: Below): Uint8Array {
  const bytes = below(4) > 0 ? makeGroups(below) : oneOf(H5, below).slice();
  if (below(3) > 0) mutateWords(bytes, addressesIn(bytes, 8, 1), below);
  return bytes;
}

async function readDatasets(bytes: Uint8Array): Promise<void> {
  const opened = new Hdf5(bytes, { file });
  for (const one of opened.datasets.values()) await opened.read(one);
}

async function readKeras(model: ReturnType<typeof readKerasH5>): Promise<void> {
  for (const variables of model.layers.values()) {
    for (const stored of variables.values()) await stored.unpack?.();
  }
}

const makeKeras = (below: Below): Uint8Array =>
  makeZip(
    [
      { name: 'config.json', data: utf8(mutateTree(KERAS_GRAPH, below)) },
      { name: 'metadata.json', data: json({ keras_version: '3.15.0' }) },
      { name: 'model.weights.h5', data: makeGroups(below) },
    ],
    below,
  );

// ---- TFLite, TensorFlow

const LITTLE = littleTflite();
const LITTLE_WORDS = addressesIn(LITTLE, 4, 4);

function makeTflite(below: Below): Uint8Array {
  const bytes = LITTLE.slice();
  // What is led to lies after what leads there; `mutateTables` makes the rest.
  const view = new DataView(bytes.buffer);
  for (let n = 1 + below(3); n > 0; n--) {
    const [one, other] = [oneOf(LITTLE_WORDS, below), oneOf(LITTLE_WORDS, below)];
    const target = other.at + view.getUint32(other.at, true);
    if (below(2) === 0 && target > one.at) view.setUint32(one.at, target - one.at, true);
    else mutateWords(bytes, LITTLE_WORDS, below);
  }
  return below(3) === 0 ? mutateTables(bytes, below, bytes.length) : bytes;
}

const TF_DATA = new Uint8Array(4096);
const TF_HEADER = field(1, 1);
const tfTensor = (at: number, dims: number[]): Uint8Array => {
  const size = 4 * dims.reduce((a, b) => a * b, 1);
  const shape = concat(...dims.map((one) => field(2, field(1, one))));
  const sum = concat(varint(6 * 8 + 5), int(checksum(TF_DATA.subarray(at, at + size)), 4));
  return concat(field(1, 1), field(2, shape), field(4, at), field(5, size), sum);
};
const TF_ENTRIES = [
  entry(new Uint8Array(0), TF_HEADER),
  entry(utf8('a/weights'), tfTensor(0, [3, 4])),
  entry(utf8('beta'), tfTensor(48, [7]), 2),
  entry(utf8('gamma'), tfTensor(76, [1])),
];

function makeTfIndex(below: Below): Uint8Array {
  const blocks = Array.from({ length: 1 + below(4) }, (_, i) => {
    const some = i === 0 ? TF_ENTRIES : [entry(utf8(`t${i}`), concat(...mutateParts(fieldsOf(i), below)))];
    return block(below(2) === 0 ? some : mutateParts(some, below), below(8) === 0 ? below(9) : 0);
  });
  const places: [number, number][] = [];
  let size = 0;
  for (const one of blocks) {
    places.push([size, one.length - 5]);
    size += one.length;
  }
  const handles = places.map(([at, length]) => {
    const [other] = oneOf(places, below);
    const moved = below(4) === 0;
    return entry(utf8('k'), concat(varint(moved ? other : at), varint(length + (below(6) === 0 ? below(9) : 0))));
  });
  const index = block(below(3) > 0 ? handles : mutateParts(handles, below));
  return concat(...blocks, index, footer(size, index.length - 5));
}

const fieldsOf = (i: number): Uint8Array[] => [
  field(1, 1),
  field(2, field(2, field(1, i))),
  field(4, i),
  field(5, 4 * i),
  concat(varint(53), int(checksum(TF_DATA.subarray(0, 4 * i)), 4)),
];

// ---- pictures

function makePng(below: Below): Uint8Array {
  const one = oneOf(PNGS, below);
  if (below(4) === 0) return mutatePng(one, below, oneOf(PNGS, below));
  const chunks = chunksOf(one);
  const parts = mutateParts(
    chunks.map(({ type, data }) => concat(utf8(type), data)),
    below,
  );
  return concat(
    SIGNATURE,
    ...parts.filter(({ length }) => length >= 4).map((part) => concat(big(part.length - 4), part, big(crc32(part)))),
  );
}
const big = (value: number): Uint8Array => int(value, 4).slice().reverse();

function makeJpeg(below: Below): Uint8Array {
  const one = oneOf(JPEGS, below);
  if (below(4) === 0) return mutateJpeg(one, below, oneOf(JPEGS, below));
  const parts = mutateParts(jpegPartsOf(one), below);
  return concat(Uint8Array.of(0xff, 0xd8), ...parts, Uint8Array.of(0xff, 0xd9));
}

function makeExif(below: Below): Uint8Array {
  const one = oneOf(EXIFS, below);
  const entries: Uint8Array[] = [];
  for (let at = 10; at + 12 <= one.length; at += 12) entries.push(one.subarray(at, at + 12));
  const bytes = join([one.subarray(0, 10), ...mutateParts(entries, below), one.subarray(10 + 12 * entries.length)]);
  const words: Word[] = [
    { at: 4, bytes: 4 },
    { at: 8, bytes: 2 },
  ];
  for (let at = 14; at + 8 <= bytes.length && at < 200; at += 12)
    words.push({ at, bytes: 4 }, { at: at + 4, bytes: 4 });
  mutateWords(bytes, words, below, below(2) === 0);
  return bytes;
}

const LABELS = ['0: tench', '1 goldfish', 'n01440764 tench, Tinca tinca', '{"0": "a", "1": "b"}', '["a", "b"]', ''].map(
  (line) => utf8(`${line}\n`),
);

const topology = (bytes: Uint8Array) => {
  const parsed = parseJson(bytes, { file, code: 'CONFIG' });
  return isJsonObject(parsed) ? parsed : {};
};

export const READERS: readonly Reader[] = [
  {
    name: 'safetensors',
    make: makeSafetensors,
    read: (bytes) => look(readSafetensors(bytes, { file }).tensors.values()),
  },
  {
    name: 'shards and their index',
    make: makeSharded,
    read: async (bytes) => look((await loadWeights(shardedFolder(bytes))).tensors.values()),
  },
  {
    name: 'config.json',
    make: (below) => utf8(mutateTree(CONFIG, below)),
    read: (bytes) => MobileNetV2Config.from_pretrained(memoryFolder({ 'config.json': bytes })),
  },
  {
    name: 'preprocessor_config.json',
    make: (below) => utf8(mutateTree(PREPROCESSOR, below)),
    read: (bytes) => MobileNetV2ImageProcessor.from_pretrained(memoryFolder({ 'preprocessor_config.json': bytes })),
  },
  { name: 'zip', make: (below) => makeZip(PARTS, below), read: readZip },
  { name: 'pytorch_model.bin, its zip', make: (below) => makeZip(oneOf(ZIPS, below), below), read: readTorch },
  { name: 'pytorch_model.bin, its pickle', make: makePickle, read: readTorch },
  { name: 'pytorch_model.bin without a zip', make: (below) => mutatePickle(LEGACY, below), read: readTorch },
  { name: 'HDF5', make: makeHdf5, read: readDatasets },
  { name: 'Keras, .h5', make: makeHdf5, read: (bytes) => readKeras(readKerasH5(bytes, file)) },
  {
    name: 'Keras, .keras',
    make: makeKeras,
    async read(bytes) {
      const opened = new Zip(bytes, file);
      // Another zip is read as PyTorch's, as `convert` does.
      if (!isKerasZip(opened)) return readTorch(bytes);
      return readKeras(await readKerasZip(opened, file));
    },
  },
  {
    name: 'Keras, its graph',
    make: (below) => utf8(mutateTree(KERAS_GRAPH, below)),
    read: (b) => readGraph(topology(b)),
  },
  {
    name: 'TensorFlow.js, model.json',
    make: (below) => utf8(mutateTree(TFJS, below)),
    read: async (bytes) => look((await readTfjs(bytes, memoryFolder(TFJS_SHARDS), { file })).tensors.values()),
  },
  {
    name: 'TensorFlow.js, its graph',
    make: (below) => utf8(mutateTree(GRAPH, below)),
    read: (bytes) => mapTfjsGraph(GRAPH_TENSORS, topology(bytes), file, { range: undefined, head: true }),
  },
  { name: 'TFLite', make: makeTflite, read: (bytes) => readTflite(bytes, { file }) },
  {
    name: "TensorFlow's checkpoint",
    make: makeTfIndex,
    read: async (bytes) =>
      look(
        (
          await readTfCheckpoint(bytes, memoryFolder({ 'm.data-00000-of-00001': TF_DATA }), { file: 'm.index' })
        ).values(),
      ),
  },
  { name: 'labels', make: (below) => concat(...mutateParts(LABELS, below)), read: (bytes) => parseLabels(bytes, file) },
  { name: 'PNG', make: makePng, read: (bytes) => decodeImage(bytes, { file }) },
  { name: 'JPEG', make: makeJpeg, read: (bytes) => decodeImage(bytes, { file }) },
  { name: 'EXIF', make: makeExif, read: (bytes) => exifOrientation(bytes) },
];

/** What the command must find: it is tried with these by its test. */
export const PLANTED: readonly Reader[] = [
  {
    name: 'planted: more memory than there is',
    make: (below) => Uint8Array.of(below(50)),
    read: ([first]) => first === 7 && Array.from({ length: 2 ** 27 }, (_, i) => [i]),
  },
  {
    name: 'planted: an abort',
    make: (below) => Uint8Array.of(below(50)),
    read: ([first]) => first === 7 && process.abort(),
  },
  {
    name: 'planted: an error without a type',
    make: (below) => Uint8Array.of(below(50)),
    read([first]) {
      if (first === 7) throw new TypeError('planted');
    },
  },
  {
    name: 'planted: no end',
    make: (below) => Uint8Array.of(below(50)),
    read([first]) {
      while (first === 7);
    },
  },
];
