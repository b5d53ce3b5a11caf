/**
 * What structure costs: every reader and converter on 1,000, 10,000 and up to 100,000 entries. Twice the structure may take
 * 2.5 times as long, no reader may touch a file's bytes more than four times, and no more may be unpacked than weights may
 * have. With RELIABILITY_RECORD=1 the figures go to test/reliability/results, those above a
 * goal with a word. Such a run ends with exit code 1.
 *
 *     node --expose-gc --single-threaded-gc --min-semi-space-size=512 --max-semi-space-size=512 scripts/scaling.mjs
 *
 * The young generation is large, so that it holds what a call makes. In V8's usual one, of 16 MB, what is alive when it is full
 * is copied, which is a step and no slope: labels take 7, 13, 39, 74 and 179 ms for 25,000 lines and twice, 4, 8 and 16 times as
 * many, and 6, 11, 21, 42, 88 ms in the large one.
 *
 * Times are CPU times, the least of several runs. Touched are the bytes that are decoded as text, copied, read as numbers
 * or added to a checksum: the functions that do so count them.
 *
 * Readers that unpack get files that would unpack to more than `weightsBytes`, which is lowered. Unpacked are the bytes that the
 * platform's inflater gives, and numbers that come of quantised ones.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const RUNS = 5;
const MOST_RUNS = 60;
const MOST_RATIO = 2.5;
const MOST_TOUCHED = 4;

const CONTENTS = `
  export { readSafetensors } from './src/formats/safetensors.js';
  export { readShardIndex } from './src/formats/shards.js';
  export { readPytorch } from './src/formats/pytorch.js';
  export { readTfjs } from './src/formats/tfjs.js';
  export { Hdf5 } from './src/formats/hdf5.js';
  export { Zip } from './src/formats/zip.js';
  export { withoutPrefix } from './src/formats/prefixes.js';
  export { readKerasH5, readKerasZip } from './src/convert/keras-file.js';
  export { readGraph } from './src/convert/keras-graph.js';
  export { mapTfjsGraph } from './src/convert/tfjs-graph.js';
  export { mapTorchvision } from './src/convert/torchvision.js';
  export { parseLabels } from './src/convert/labels.js';
  export { normal, randomBits } from './src/models/mobilenet-v2/random.js';
  export { env } from './src/base/env.js';
  export { nodePlatform } from './src/platforms/node/platform.js';
  export { hdf5 } from './test/helpers/hdf5-files.js';
`;

/** Makes crc32 of the sources count its bytes, as it reads them one by one. */
const countChecksums = {
  name: 'count-checksums',
  setup({ onLoad }) {
    onLoad({ filter: /src[\\/]base[\\/]bytes\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const counted = text.replace('let crc = ~before;', 'let crc = ~before; globalThis.touchedBytes += bytes.length;');
      if (counted === text) throw new Error(`${path}: crc32 is not as expected`);
      return { contents: counted, loader: 'ts' };
    });
  },
};

globalThis.touchedBytes = 0;
const folder = mkdtempSync(join(tmpdir(), 'scaling-'));
const outfile = join(folder, 'sources.mjs');
await build({
  stdin: { contents: CONTENTS, resolveDir: root },
  ...{ outfile, bundle: true, format: 'esm', platform: 'node', plugins: [countChecksums] },
});
const sources = await import(pathToFileURL(outfile).href);
rmSync(folder, { recursive: true });
sources.env.platform = sources.nodePlatform;

/** Replaces a method by one that counts the bytes that `size` says of its arguments and its result. */
function count(prototype, name, size) {
  const before = prototype[name];
  prototype[name] = function (...args) {
    const result = before.apply(this, args);
    globalThis.touchedBytes += size(args, result, this);
    return result;
  };
  return () => {
    prototype[name] = before;
  };
}

/** Bytes that a call touches. */
async function touchedBy(call) {
  const bytes = Object.getPrototypeOf(Uint8Array.prototype);
  const restore = [
    count(TextDecoder.prototype, 'decode', ([input]) => input?.byteLength ?? 0),
    count(bytes, 'set', ([from]) => from.byteLength ?? from.length),
    count(bytes, 'slice', (_, result) => result.byteLength),
    count(bytes, 'indexOf', ([, from = 0], at, self) => (at < 0 ? self.length : at + 1) - from),
    ...['getUint8', 'getUint16', 'getUint32', 'getBigUint64', 'getInt32'].map((name) =>
      count(DataView.prototype, name, () => Number(/\d+$/.exec(name)[0]) / 8),
    ),
  ];
  globalThis.touchedBytes = 0;
  try {
    await call();
  } finally {
    for (const undo of restore) undo();
  }
  return globalThis.touchedBytes;
}

const utf8 = (text) => new TextEncoder().encode(text);
const json = (value) => utf8(JSON.stringify(value));
const list = (n, make) => Array.from({ length: n }, (_, i) => make(i));
const file = 'model';

function safetensors(n) {
  const header = json(
    Object.fromEntries(list(n, (i) => [`t${i}`, { dtype: 'U8', shape: [1], data_offsets: [i, i + 1] }])),
  );
  const bytes = Buffer.alloc(8 + header.length + n);
  bytes.writeBigUInt64LE(BigInt(header.length));
  bytes.set(header, 8);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A zip of entries with their checksums, stored, or deflated where `size` says to how much they unpack. */
function zip(parts) {
  const [files, directory] = [[], []];
  let offset = 0;
  for (const { name, data, crc, size = data.length } of parts) {
    const head = Buffer.alloc(30 + name.length);
    head.writeUInt32LE(0x04034b50);
    head.writeUInt16LE(name.length, 26);
    head.write(name, 30);
    const entry = Buffer.alloc(46 + name.length);
    entry.writeUInt32LE(0x02014b50);
    entry.writeUInt16LE(size === data.length ? 0 : 8, 10);
    entry.writeUInt32LE(crc, 16);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt32LE(size, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    entry.write(name, 46);
    files.push(head, data);
    directory.push(entry);
    offset += head.length + data.length;
  }
  const all = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(parts.length, 10);
  end.writeUInt32LE(all.length, 12);
  end.writeUInt32LE(offset, 16);
  return new Uint8Array(Buffer.concat([...files, all, end]));
}

/** CRC-32 of ISO 3309, bit by bit. */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** What torch.save writes of n tensors of one number, each with a storage of its own. */
function pytorch(n) {
  const text = (value) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(value.length);
    return `X${length.toString('latin1')}${value}`;
  };
  const storage = (i) => `(${text('storage')}ctorch\nFloatStorage\n${text(`${i}`)}${text('cpu')}K\x01tQ`;
  const tensor = (i) => `ctorch._utils\n_rebuild_tensor_v2\n(${storage(i)}K\x00K\x01\x85K\x01\x85\x89NtR`;
  const pickle = Buffer.from(`\x80\x02}(${list(n, (i) => text(`t${i}`) + tensor(i)).join('')}u.`, 'latin1');
  const zeros = Buffer.alloc(4);
  const crc = crc32(zeros);
  return zip([
    { name: 'm/data.pkl', data: pickle, crc: crc32(pickle) },
    ...list(n, (i) => ({ name: `m/data/${i}`, data: zeros, crc })),
  ]);
}

const quantization = { dtype: 'uint8', scale: 1, min: 0 };
const tfjs = (n) =>
  json({
    modelTopology: { node: [] },
    weightsManifest: [
      { paths: ['a.bin'], weights: list(n, (i) => ({ name: `w${i}`, shape: [1], dtype: 'float32', quantization })) },
    ],
  });
const memory = (bytes) => ({ name: 'memory', read: async () => bytes });
const stored = (name, dims = [1]) => ({
  name,
  dims,
  dtype: 'F32',
  file,
  offset: 0,
  bytes: new Uint8Array(4 * dims.reduce((a, b) => a * b, 1)),
});
const named = (names) => new Map(names.map((name) => [name, stored(name)]));

/** Names of readers and converters, with what is given to them, and the most entries that their limits allow. */
const CASES = [
  [
    'safetensors',
    100_000,
    (n) => ({ bytes: safetensors(n), run: (bytes) => sources.readSafetensors(bytes, { file }) }),
  ],
  [
    'index of shards',
    100_000,
    (n) => ({
      bytes: json({ weight_map: Object.fromEntries(list(n, (i) => [`t${i}`, `model-${i}.safetensors`])) }),
      run: (bytes) => sources.readShardIndex(bytes, { file }),
    }),
  ],
  [
    'pytorch_model.bin, a storage each',
    40_000,
    (n) => ({ bytes: pytorch(n), run: (bytes) => sources.readPytorch(bytes, { file }) }),
  ],
  [
    'model.json, quantised weights',
    100_000,
    (n) => ({ bytes: tfjs(n), run: (bytes) => sources.readTfjs(bytes, memory(new Uint8Array(n)), { file }) }),
  ],
  [
    'graph of TensorFlow.js, a chain',
    100_000,
    (n) => {
      const node = list(n, (i) => ({ name: `n${i + 1}`, op: 'Mul', input: [`n${i}`, `c${i}`] }));
      const tensors = named(list(n, (i) => `c${i}`));
      const topology = { node: [{ name: 'n0', op: 'Placeholder' }, ...node] };
      return { run: () => sources.mapTfjsGraph(tensors, topology, file, { range: undefined, head: true }) };
    },
  ],
  [
    'HDF5, a group of datasets',
    100_000,
    (n) => ({
      bytes: sources.hdf5(new Map(list(n, (i) => [`d${i}`, { dims: [1] }]))),
      run: (bytes) => new sources.Hdf5(bytes, { file }),
    }),
  ],
  [
    'Keras, variables of one layer',
    100_000,
    (n) => ({
      bytes: sources.hdf5(new Map([['vars', new Map(list(n, (i) => [`${i}`, { dims: [1] }]))]])),
      run: (bytes) => sources.readKerasH5(bytes, file),
    }),
  ],
  [
    'Keras, layers of a graph',
    100_000,
    (n) => {
      const layers = list(n, (i) => ({ class_name: 'Dropout', name: `l${i}`, config: { rate: 0.5 } }));
      return { run: () => sources.readGraph({ class_name: 'Model', config: { layers } }) };
    },
  ],
  [
    'torchvision, names without a place',
    100_000,
    (n) => {
      const tensors = named(['classifier.1.weight', ...list(n, (i) => `${i % 2 ? 'classifier.' : 'x'}${i}.weight`)]);
      return { run: () => sources.mapTorchvision(tensors, file, { head: true }) };
    },
  ],
  [
    'copies of a network in one file',
    100_000,
    (n) => {
      const tensors = named(list(n, (i) => `p${i}.first`));
      return { run: () => sources.withoutPrefix(tensors, (name) => name.slice(0, -'first'.length)) };
    },
  ],
  [
    'labels, a line each',
    100_000,
    (n) => ({
      bytes: utf8(list(n, (i) => `${i}: class ${i}`).join('\n')),
      run: (bytes) => sources.parseLabels(bytes, file),
    }),
  ],
  [
    'classes of a head that begins at random',
    100_000,
    (n) => ({ run: () => sources.normal(sources.randomBits(0), 0.02, 1280 * n) }),
  ],
];

async function cpuMs(call) {
  const before = process.cpuUsage();
  await call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/**
 * The least time of each size; the sizes take turns, so that a busy moment hits them all. Other programs on the machine only
 * ever add to a time, so that a ratio that is too high is measured on, a few rounds more.
 */
async function times(inputs) {
  const least = inputs.map(() => Number.POSITIVE_INFINITY);
  for (let i = 0; i < RUNS || (i < MOST_RUNS && least[3] > MOST_RATIO ** 2 * least[1]); i++) {
    for (const [k, { bytes, run }] of inputs.entries()) {
      globalThis.gc?.();
      least[k] = Math.min(least[k], await cpuMs(() => run(bytes)));
    }
  }
  return least;
}

const COMMAND =
  'node --expose-gc --single-threaded-gc --min-semi-space-size=512 --max-semi-space-size=512 scripts/scaling.mjs';
const entries = [];
for (const [what, most, make] of CASES) {
  const sizes = [1000, most / 4, most / 2, most];
  const inputs = sizes.map(make);
  const ms = await times(inputs);
  const { bytes, run } = inputs.at(-1);
  const touched = bytes === undefined ? undefined : (await touchedBy(() => run(bytes))) / bytes.length;
  // Over two doublings: one alone may be where a hash table grows, or the young generation is full.
  const ratio = Math.sqrt(ms[3] / ms[1]);
  const parts = [
    `${ms.map((one) => one.toFixed(0)).join(', ')} ms for ${sizes.map((n) => n.toLocaleString('en-US')).join('; ')}`,
  ];
  parts.push(`× ${ratio.toFixed(2)} for twice, over two doublings`);
  if (touched !== undefined) parts.push(`bytes touched ${touched.toFixed(2)} × file`);
  const isHigh = ratio > MOST_RATIO || (touched ?? 0) > MOST_TOUCHED;
  console.log(`${isHigh ? 'HIGH ' : ''}${what}: ${parts.join(' · ')}`);
  if (isHigh) process.exitCode = 1;
  entries.push({ what, tried: most, worstMs: ms[3], note: `${isHigh ? 'above the goal: ' : ''}${parts.join(' · ')}` });
}

const MIB = 2 ** 20;
const WEIGHTS_BYTES = 64 * MIB;
/** What one entry, dataset or tensor unpacks to. */
const PART = new Uint8Array(MIB);

/** A zip of deflated entries. */
const deflated = (parts) =>
  zip(parts.map(({ name, data }) => ({ name, data: deflateRawSync(data), crc: crc32(data), size: data.length })));

const datasets = (n) =>
  new Map(list(n, (i) => [`l${i}`, new Map([['kernel', { dims: [MIB / 4], data: PART, chunk: MIB / 4 }]])]));

async function unpackAll(model) {
  for (const variables of model.layers.values()) for (const one of variables.values()) await one.unpack();
}

/** Names of readers that unpack, with a file of n MiB and more, and how all of it is asked for. */
const UNPACKERS = [
  [
    'zip, deflated entries',
    (n) => deflated(list(n, (i) => ({ name: `${i}`, data: PART }))),
    async (bytes) => {
      const archive = new sources.Zip(bytes, file);
      for (const entry of archive.entries.values()) await archive.unpack(entry);
    },
  ],
  [
    'HDF5, datasets with gzip',
    (n) => sources.hdf5(datasets(n)),
    async (bytes) => unpackAll(sources.readKerasH5(bytes, file)),
  ],
  [
    '.keras, gzip in HDF5 in deflate',
    (n) =>
      deflated([
        { name: 'config.json', data: json({ class_name: 'Model', config: { layers: [] } }) },
        { name: 'model.weights.h5', data: sources.hdf5(datasets(n)) },
      ]),
    async (bytes) => unpackAll(await sources.readKerasZip(new sources.Zip(bytes, file), file)),
  ],
  [
    'model.json, quantised weights',
    (n) =>
      json({
        modelTopology: { node: [] },
        weightsManifest: list(n, (i) => ({
          paths: [`${i}.bin`],
          weights: [{ name: `w${i}`, shape: [MIB / 4], dtype: 'float32', quantization }],
        })),
      }),
    async (bytes) => {
      const { tensors } = await sources.readTfjs(bytes, memory(PART.subarray(0, MIB / 4)), { file });
      for (const one of tensors.values()) unpacked += one.bytes.length;
    },
  ],
];

let unpacked = 0;
const { inflate } = sources.nodePlatform;
sources.env.platform = {
  ...sources.nodePlatform,
  async inflate(...packed) {
    const bytes = await inflate(...packed);
    unpacked += bytes.length;
    return bytes;
  },
};

/** @returns bytes that were unpacked, and the code of the error that ended it */
async function unpackedBy(read, bytes) {
  unpacked = 0;
  try {
    await read(bytes);
    return { code: undefined, bytes: unpacked };
  } catch ({ code }) {
    return { code, bytes: unpacked };
  }
}

sources.env.limits.weightsBytes = WEIGHTS_BYTES;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
for (const [what, make, read] of UNPACKERS) {
  const few = WEIGHTS_BYTES / MIB / 2;
  const many = 3 * few;
  const [half, more] = [await unpackedBy(read, make(few)), await unpackedBy(read, make(many))];
  const note = `${megabytes(half.bytes)} of ${megabytes(few * MIB)} unpacked, and ${megabytes(more.bytes)} of ${megabytes(many * MIB)}, then ${more.code}; weightsBytes ${megabytes(WEIGHTS_BYTES)}`;
  const isHigh =
    half.code !== undefined || half.bytes < few * MIB || more.code !== 'LIMIT' || more.bytes > WEIGHTS_BYTES;
  console.log(`${isHigh ? 'HIGH ' : ''}${what}: ${note}`);
  if (isHigh) process.exitCode = 1;
  entries.push({ what: `Unpacked: ${what}`, tried: 2, note: `${isHigh ? 'above the goal: ' : ''}${note}` });
}

if (process.env.RELIABILITY_RECORD === '1') {
  const where = `Node ${process.versions.node}, ${availableParallelism()} cores`;
  const target = new URL('../test/reliability/results/scaling.json', import.meta.url);
  writeFileSync(target, `${JSON.stringify({ command: COMMAND, where, entries }, null, 2)}\n`);
}
