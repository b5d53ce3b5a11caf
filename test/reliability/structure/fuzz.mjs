/**
 * Fuzzing with structure that is repeated, nested, aliased and overlapped: every reader in processes of their own, under a limit
 * of the system on their memory (RLIMIT_DATA). A process that ends by a signal, by an abort of V8, with an exit code or not at
 * all has crashed: its input is kept, the run goes on, and the exit code is 1.
 *
 *     npm run fuzz:structure                                    # 1,000,000 runs a reader
 *     npm run fuzz:structure -- --reader zip --runs 20000       # one reader, fewer
 *     npm run fuzz:structure -- --reader zip --from 4711 --runs 1   # one run again
 *
 * With RELIABILITY_RECORD=1 what a reader has reached goes to test/reliability/results, unless it crashed; a later run with the
 * same seed goes on from there.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const RESULTS = join(root, 'test/reliability/results/structure.json');
/** The process itself takes 50 to 100 MiB of it. */
const MEMORY_MIB = 384;
const HEAP_MIB = 192;
/** Runs of one process. */
const BLOCK = 25_000;
/** Milliseconds without a word, in which 1,000 inputs were to be read. */
const SILENCE = 300_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '20261126' },
    runs: { type: 'string', default: '1000000' },
    from: { type: 'string' },
    reader: { type: 'string', multiple: true },
    silence: { type: 'string', default: String(SILENCE) },
    keep: { type: 'string', default: join(tmpdir(), 'fuzz-structure') },
  },
});
const [seed, runs] = [values.seed, values.runs].map(Number);

const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
/** Helpers of tests import it for what no reader calls. */
const withoutVitest = {
  name: 'without-vitest',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^vitest$/ }, () => ({ path: 'vitest', namespace: 'none' }));
    onLoad({ filter: /./, namespace: 'none' }, () => ({ contents: 'export const expect = undefined;' }));
  },
};
const options = { bundle: true, format: 'esm', platform: 'node', logLevel: 'warning', plugins: [withoutVitest] };
const source = (name) => fileURLToPath(new URL(name, import.meta.url));
await build({
  ...options,
  entryPoints: { child: source('child.ts'), readers: source('readers.ts') },
  outdir: folder,
  outExtension: { '.js': '.mjs' },
});
process.chdir(root);
const { READERS } = await import(pathToFileURL(join(folder, 'readers.mjs')).href);

/** One process. Resolves with what it found, or with how it ended. */
function runBlock(name, first, count) {
  const node = [process.execPath, `--max-old-space-size=${HEAP_MIB}`, join(folder, 'child.mjs')];
  const args = [name, seed, first, count, join(folder, 'input')].map(String);
  const child = spawn('prlimit', [`--data=${MEMORY_MIB * 2 ** 20}`, '--core=0', ...node, ...args]);
  let [out, err, last] = ['', '', first];
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => child.kill('SIGKILL'), Number(values.silence));
  };
  wait();
  child.stdout.on('data', (data) => {
    wait();
    out += data;
    last = Number(
      out
        .match(/"run":(\d+)/g)
        ?.at(-1)
        ?.slice(6) ?? first,
    );
  });
  child.stderr.on('data', (data) => {
    err = (err + data).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const found = code === 0 ? JSON.parse(out.trim().split('\n').at(-1)) : undefined;
      resolve(found ?? { crash: `${signal ?? `exit code ${code}`} after run ${last}: ${err.trim().slice(0, 2000)}` });
    });
  });
}

const isRecorded = process.env.RELIABILITY_RECORD === '1';
const recorded = () => (existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')).entries : []);

/** What is known of a reader: of an earlier run with this seed too, which then goes on. */
function stateOf(name) {
  const before = isRecorded && values.from === undefined && recorded().find((one) => one.what === name);
  const entry = before?.seed === seed ? before : { what: name, tried: 0, accepted: 0, worstMs: 0, rssMiB: 0, seed };
  const first = values.from === undefined ? 0 : Number(values.from);
  return { name, entry, next: first + entry.tried, end: first + runs, crashes: 0, answers: new Set() };
}

async function tryBlock(state) {
  const { name, entry, next: first, answers } = state;
  const count = Math.min(BLOCK, state.end - first);
  state.next += count;
  const found = await runBlock(name, first, count);
  if (found.crash !== undefined) {
    state.crashes++;
    process.exitCode = 1;
    mkdirSync(values.keep, { recursive: true });
    const kept = join(values.keep, `${name.replaceAll(/\W+/g, '-')}-${seed}-${first}`);
    const input = readFileSync(join(folder, 'input'));
    writeFileSync(kept, input.subarray(4, 4 + input.readUInt32LE()));
    console.log(`CRASH ${name}, seed ${seed}, of the runs from ${first}: ${found.crash}\n  the input: ${kept}`);
    return;
  }
  entry.tried += count;
  entry.accepted += found.accepted;
  entry.worstMs = Math.max(entry.worstMs, found.worstMs);
  entry.rssMiB = Math.max(entry.rssMiB, found.rssMiB);
  for (const answer of found.answers) answers.add(answer);
  if (isRecorded && state.crashes === 0) record(entry);
}

function record(entry) {
  const command = `npm run fuzz:structure -- --seed ${seed}`;
  const order = READERS.map(({ name }) => name);
  const entries = [...recorded().filter(({ what }) => what !== entry.what && order.includes(what)), entry];
  entries.sort((a, b) => order.indexOf(a.what) - order.indexOf(b.what));
  const where = `Node ${process.versions.node}, ${availableParallelism()} cores`;
  writeFileSync(RESULTS, `${JSON.stringify({ command, where, entries }, null, 2)}\n`);
}

// In rounds, so that a run that is cut short has tried all readers alike.
const states = (values.reader ?? READERS.map((reader) => reader.name)).map(stateOf);
for (;;) {
  const rest = states.filter(({ next, end }) => next < end).sort((a, b) => a.next - b.next);
  if (rest.length === 0) break;
  await tryBlock(rest[0]);
}
for (const { name, entry, crashes, answers } of states) {
  const { tried, accepted } = entry;
  console.log(`${name}: ${tried} runs, ${accepted} accepted, ${crashes} crashes, ${answers.size} different answers`);
}
