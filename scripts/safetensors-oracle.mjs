/**
 * Headers of safetensors, sound and damaged, as this reader and the Rust library take them: `PYTHON=python3
 * node scripts/safetensors-oracle.mjs 10000`, where that Python has the package safetensors. `FUZZ_SEED` repeats a run. What
 * differs has to have a reason in REASONS; anything else ends the run with exit code 1. With RELIABILITY_RECORD=1 the
 * figures go to test/reliability/results.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const COUNT = Number(process.argv[2] ?? 10_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20261126);
const PYTHON = process.env.PYTHON ?? 'python3';
const root = fileURLToPath(new URL('..', import.meta.url));

/** The sources that are compared with, as one module. */
async function load() {
  const folder = mkdtempSync(join(tmpdir(), 'oracle-'));
  const outfile = join(folder, 'sources.mjs');
  const contents = `export { readSafetensors } from './src/formats/safetensors.js';
    export { DTYPES, storedBytes } from './src/formats/stored.js';
    export { belowOf, mutateBytes, mutateJson } from './test/reliability/mutate.js';
    export { randomNumbers } from './test/helpers/random.js';`;
  await build({ stdin: { contents, resolveDir: root }, outfile, bundle: true, format: 'esm', platform: 'node' });
  const sources = await import(pathToFileURL(outfile).href);
  rmSync(folder, { recursive: true });
  return sources;
}

const { readSafetensors, DTYPES, storedBytes, belowOf, mutateBytes, mutateJson, randomNumbers } = await load();
const below = belowOf(randomNumbers(SEED));
const pick = (list) => list[below(list.length)];
const utf8 = (text) => new TextEncoder().encode(text);

const EXTRAS = [null, 1.5, 2 ** 60, 'text', '@deep', [[]], { a: [] }, -7, true];

/** A sound header and as many bytes of data as it asks for: any types, empty tensors, any order of names. */
function sound() {
  const entries = [];
  let end = 0;
  for (let i = below(6); i > 0; i--) {
    const dtype = pick(DTYPES);
    const shape = Array.from({ length: below(4) }, () => pick([0, 1, 2, 3, 4, 8]));
    const bytes = storedBytes(dtype, shape);
    if (bytes === undefined) continue;
    entries.push([
      pick(['a', 'b.weight', 'größe', '', 'layer.0', '__proto__', 'x y']) + i,
      { dtype, shape, data_offsets: [end, end + bytes] },
    ]);
    end += bytes;
  }
  if (below(3) === 0) entries.push(['__metadata__', pick([{}, { format: 'pt' }, { a: '', b: 'ü' }])]);
  // The order of keys says nothing; a key that comes twice, a field that nobody knows and a great number may be there.
  for (let i = entries.length - 1; i > 0; i--) {
    const j = below(i + 1);
    [entries[i], entries[j]] = [entries[j], entries[i]];
  }
  if (entries.length > 0 && below(12) === 0) entries.push(pick(entries));
  const fields = entries.map(([name, entry]) => {
    const more = below(12) === 0 ? { ...entry, [pick(['extra', 'shape2', ''])]: pick(EXTRAS) } : entry;
    return `${JSON.stringify(name)}:${JSON.stringify(more).replaceAll('"@deep"', `${'['.repeat(100)}${']'.repeat(100)}`)}`;
  });
  return { header: `{${fields.join(',')}}`, data: new Uint8Array(end) };
}

function file(header, data) {
  const out = new Uint8Array(8 + header.length + data.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  out.set(data, 8 + header.length);
  return out;
}

function input() {
  const { header, data } = sound();
  const kind = below(10);
  if (kind < 3) return file(utf8(header + ' '.repeat(below(9))), data);
  if (kind < 8) return file(utf8(mutateJson(header, below)), data);
  if (kind === 8) return file(mutateBytes(utf8(header), below), data);
  return mutateBytes(file(utf8(header), data), below);
}

function ours(bytes) {
  try {
    const { tensors } = readSafetensors(bytes, { file: 'f' });
    const list = [...tensors.values()].map(({ name, dtype, dims, bytes: { length } }) => [
      name,
      dtype,
      [...dims],
      length,
    ]);
    return { ok: JSON.stringify(list.sort(([a], [b]) => (a < b ? -1 : 1))) };
  } catch (error) {
    if (error.name !== 'MobileNetError') throw error;
    return { error: `${error.code} ${error.message}` };
  }
}

function theirs(inputs) {
  const lengths = inputs.map(({ length }) => new Uint8Array(new Uint32Array([length]).buffer));
  const script = fileURLToPath(new URL('safetensors-oracle.py', import.meta.url));
  const stdin = Buffer.concat(inputs.flatMap((bytes, i) => [lengths[i], bytes]));
  const { stdout, stderr, status } = spawnSync(PYTHON, [script], { input: stdin, maxBuffer: 2 ** 30 });
  if (status !== 0) throw new Error(`${PYTHON}: ${stderr}`);
  return stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => {
      const { ok, error } = JSON.parse(line);
      return ok === undefined ? { error } : { ok: JSON.stringify(ok.sort(([a], [b]) => (a < b ? -1 : 1))) };
    });
}

/** Where the two differ on purpose: in words, and how it is known. */
const REASONS = [
  [
    'a size written as 1.0, 1e0 or -0 is whole here, and no integer there',
    (own, other, text) => own.ok && /invalid type: floating point/.test(other.error) && /-0|\d[.eE]/.test(text),
  ],
  [
    'sizes from 2^53 are refused here, where no number holds them, and taken there if another size is 0',
    (own, other) => other.ok && /whole sizes below 2\^53/.test(own.error),
  ],
  [
    'a field that nobody reads may nest 64 deep here, and 127 there',
    (own, other) => other.ok && /at most 64 levels of nesting/.test(own.error),
  ],
  [
    'a number past float64 in a field that nobody reads is infinity here, and refused there',
    (own, other) => own.ok && /number out of range/.test(other.error),
  ],
  [
    'a name that comes twice is refused here, and the last one taken there',
    (own, other) => other.ok && own.error.startsWith('DUPLICATE_KEY'),
  ],
];

const inputs = Array.from({ length: COUNT }, input);
const answers = theirs(inputs);
const counts = new Map();
let accepted = 0;
let unexplained = 0;
for (const [i, bytes] of inputs.entries()) {
  const own = ours(bytes);
  const other = answers[i];
  if (own.ok !== undefined) accepted++;
  if (own.ok === other.ok) continue;
  const text = new TextDecoder().decode(bytes.subarray(8));
  const reason = REASONS.find(([, is]) => is(own, other, text))?.[0];
  if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  else if (++unexplained <= 20)
    console.log(`${i}: ours ${own.ok ?? own.error}\n  theirs ${other.ok ?? other.error}\n  ${text.slice(0, 200)}`);
}
console.log(
  `safetensors: FUZZ_SEED=${SEED}, ${COUNT} files, ${accepted} accepted, ${unexplained} differences without a reason`,
);
for (const [reason, count] of counts) console.log(`  ${count} ${reason}`);
if (unexplained > 0) process.exitCode = 1;
else if (process.env.RELIABILITY_RECORD === '1') {
  const note = ['0 differences without a reason', ...[...counts].map(([reason, count]) => `${count} × ${reason}`)].join(
    '; ',
  );
  const entries = [{ what: 'Headers, ours and the Rust library', tried: COUNT, accepted, seed: SEED, note }];
  const command = `FUZZ_SEED=${SEED} node scripts/safetensors-oracle.mjs ${COUNT}`;
  const where = `Node ${process.versions.node}, ${availableParallelism()} cores`;
  const target = new URL('../test/reliability/results/safetensors-oracle.json', import.meta.url);
  writeFileSync(target, `${JSON.stringify({ command, where, entries }, null, 2)}\n`);
}
