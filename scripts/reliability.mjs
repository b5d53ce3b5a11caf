/**
 * Writes docs/reliability.md from what the runs of test/reliability left in its results/ (RELIABILITY_RECORD=1). With
 * `--check` it only says whether the page is what it would write.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const RESULTS = new URL('../test/reliability/results/', import.meta.url);
const PAGE = new URL('../docs/reliability.md', import.meta.url);

/** In the order of the page: the ledger's name, its title, and what is promised. */
const PARTS = {
  fuzz: ['Damaged files', 'Bytes and JSON damaged at random; nothing but a result or a typed error may come of one.'],
  structured: [
    'Structured inputs',
    'fast-check: configurations, shapes, tensors and layouts, and anything else in their place.',
  ],
  aliased: [
    'Structure repeated and aliased',
    'fast-check: parts that are repeated, nested, led to from many places and laid over each other; no byte of a zip is read\ntwice, no more is unpacked than weights may have.',
  ],
  structure: [
    'Structure, in processes of their own',
    'Parts of files repeated, nested, led to from many places and laid over each other, with lengths and checksums that are right again.\nReaders run in processes of their own under RLIMIT_DATA = 384 MiB, with small limits; a signal, an abort of V8, an exit code or\nno end is a crash. The command tries 1,000,000 a reader and goes on where it was stopped; these are what it has tried so far.',
  ],
  scaling: [
    'Structure scaled up',
    'CPU time of readers and converters, the least of several runs: the goal is that twice the structure takes at most 2.5\ntimes as long (the mean of two doublings), and that no reader touches more than 4 times the bytes of its file. What was above it says so.\nBelow, readers that unpack, with files that would unpack to half of `weightsBytes` (lowered) and to more: no byte above it is made.',
  ],
  'safetensors-oracle': [
    'safetensors against the Rust library',
    'The same files to this reader and to `safetensors` of PyPI: the same tensors or both refuse, but for the reasons given.',
  ],
  'command-line': [
    'The command line',
    'Arguments and files at random: exit code 0, 1 or 2, no stack trace, JSON that is JSON.',
  ],
  malformed: [
    'Malformed files',
    'Files wrong in one way each, with the code, the file and the place that the error must name. Accepted are pictures with damage\nthat no pixel depends on, or that every decoder shows alike, with a warning that names the file.',
  ],
  limits: [
    'Limits',
    'Each limit of `env.limits` lowered and raised; sparse files of 8 GB refused before memory is taken.',
  ],
  pictures: [
    'Large pictures',
    'Pictures as large and as costly as the limits allow, each decoded and classified in a process with 256 MB of heap. CPU time of\nthe call ≤ 2 s. The most that was ever resident, of the whole process: ≤ 8 bytes a pixel + twice the file + 100 MB, and 60 MB\nmore with the network. What is not accepted is refused with LIMIT before its pixels are decoded.',
  ],
  jpegs: [
    'JPEGs against libjpeg-turbo',
    'Written by cjpeg, with 4 settings of restart markers, sides from 1 to 64: each to the last bit what Pillow, with libjpeg-turbo,\nmakes of it.',
  ],
  callers: [
    'Callers',
    'What is written, transferred or shrunk after a call changes nothing: the answer is that of the moment of the call.',
  ],
  monkey: [
    'The API',
    'Every export of every entry for Node, and every method and static of its classes, called with anything: a result or a typed\nerror, no file that nobody asked for, no call that does not end. (It has OUT_OF_MEMORY for what no memory holds.)',
  ],
  kernels: [
    'Kernels',
    'Against a convolution in float64: |Δ| ≤ 2·K·2⁻²⁴·Σ|aᵢbᵢ| + 1e-6 on sums that cancel, whole numbers bit for bit, NaN and infinity, guards around every buffer.',
  ],
  workers: [
    'Threads',
    'Workers that die at any moment, overlapping calls, disposal during a call: bits as of one thread.',
  ],
  memory: ['Memory', 'Growth refused at every allocation: OUT_OF_MEMORY, then the same bits in no more memory.'],
  abort: ['Aborts', 'Milliseconds from the abort to its error. The next result has the same bits.'],
  disk: ['Disks, pipes, signals', 'Nothing half-written, no temporary file, whole lines of output.'],
  system: [
    'The system',
    'Calls of the system that fail, the n-th or all from the n-th: the old model or the new one, whole, and the next call right. Signals\nand kills at random moments. Accepted are calls that succeeded all the same.',
  ],
  'supply-chain': ['Supply chain', 'No network, no other program, no compiled text, no native code.'],
  mutants: [
    'Mutants',
    'A fault is put into the source, and the tests have to find it. [What survives, and why](mutation.md).',
  ],
  soak: [
    'Soak',
    'Heap after collection < 2 MB more, resident memory < 5 % more, handles and workers as before; first and last outputs bit-equal.',
  ],
};

const number = (value) => value.toLocaleString('en-US');
const cell = (value, digits = 0) => (value === undefined ? '' : value.toFixed(digits));

function table(entries) {
  const columns = [
    ['what', (e) => e.what, '---'],
    ['tried', (e) => number(e.tried), '---:'],
    ['accepted', (e) => (e.accepted === undefined ? '' : number(e.accepted)), '---:'],
    ['slowest, ms', (e) => cell(e.worstMs), '---:'],
    ['resident, MiB', (e) => cell(e.rssMiB), '---:'],
    ['seed', (e) => String(e.seed ?? ''), '---:'],
    ['', (e) => e.note ?? '', '---'],
  ].filter(([, get]) => entries.some((entry) => get(entry) !== ''));
  const row = (cells) => `| ${cells.join(' | ')} |`;
  return [
    row(columns.map(([title]) => title)),
    row(columns.map(([, , rule]) => rule)),
    ...entries.map((entry) => row(columns.map(([, get]) => get(entry).replaceAll('|', '\\|')))),
  ].join('\n');
}

const ledgers = Object.keys(PARTS)
  .map((name) => [name, new URL(`${name}.json`, RESULTS)])
  .filter(([, file]) => existsSync(file))
  .map(([name, file]) => [name, JSON.parse(readFileSync(file, 'utf8'))]);
const unknown = readdirSync(RESULTS).filter((file) => !(file.replace('.json', '') in PARTS));
if (unknown.length > 0) throw new Error(`no part of the page for ${unknown.join(', ')}`);

// Mutants are faults of ours, put in to try the tests.
const tried = ledgers
  .filter(([name]) => name !== 'mutants')
  .reduce((sum, [, { entries }]) => sum + entries.reduce((n, e) => n + e.tried, 0), 0);
const page = `# Reliability

What the tests in [test/reliability](../test/reliability) tried, and what came of it. Written by \`npm run reliability\` from
the results of the runs; each part says how to repeat it, with its seed where chance has a part.

In the runs below, ${number(tried)} inputs, calls and faults: 0 crashes, 0 errors without a type, 0 hangs, 0 results lost. (A run
with any of these fails and leaves no result.) Times are of a machine shared with other work, so that they are upper bounds.

${ledgers
  .map(([name, { command, where, entries }]) => {
    const [title, promise] = PARTS[name];
    return `## ${title}\n\n${promise}\n\n${table(entries)}\n\n\`${command}\` · ${where}\n`;
  })
  .join('\n')}
## Limits

Checked before memory is taken; every one can be changed in \`env.limits\`.

| limit | default | of |
| --- | ---: | --- |
| \`imageBytes\` | 64 MiB | a picture's file |
| \`imagePixels\` | 50,000,000 | a picture, a resized picture, a map of classes |
| \`jpegScans\` | 100 | a progressive JPEG |
| \`headerBytes\` | 25,000,000 | a safetensors header, the pickle of pytorch_model.bin |
| \`tensors\` | 100,000 | a checkpoint |
| \`weightsBytes\` | 2 GiB | a checkpoint's weights, all shards together |
| \`jsonBytes\` | 10 MiB | config.json, preprocessor_config.json, an index |
| \`jsonDepth\` | 64 | nesting in them |

With \`imagePixels\`, and never below what its default gives: a JPEG in several scans keeps at most 2.5 coefficients a pixel and
0.38 × \`imagePixels\` more (3 a pixel are full chroma, 4:4:4: 38 megapixels; four inks: 12), and its scans together go over
16 × \`imagePixels\` coefficients, counting 16 more a block; a PNG that zlib refuses inflates to at most 3 × \`imagePixels\` bytes.

Not adjustable: a million values in a JSON document, a million opcodes in a pickle, 100,000 labels, 2³¹ numbers in one
activation.
`;

if (process.argv.includes('--check')) {
  const same = existsSync(PAGE) && readFileSync(PAGE, 'utf8') === page;
  console.log(`${fileURLToPath(PAGE)} is ${same ? '' : 'not '}what the results say`);
  process.exitCode = same ? 0 : 1;
} else {
  mkdirSync(new URL('.', PAGE), { recursive: true });
  writeFileSync(PAGE, page);
}
