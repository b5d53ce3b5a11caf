/**
 * Sends one SIGTERM at a random moment and measures until the process is gone: while it reads pictures, weights and lists from
 * pipes nobody writes to, from servers that stall, while it computes, and while nobody reads its output. Needs a build.
 *
 *     node test/reliability/signals.mjs [signals = 120] [seed]
 */
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const signals = Number(process.argv[2] ?? 120);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CLI = join(ROOT, 'dist/bundle/cli.js');
/** Milliseconds that a process may take. */
const MOST = 1000;
/** After which something is broken: a guard, no measure. */
const HANGS = 20_000;

/** mulberry32 */
let state = seed;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-signals-'));
const at = (name) => join(folder, name);
for (const name of ['photos', 'pipes', 'out']) mkdirSync(at(name));
for (const name of ['picture.png', 'list', 'labels', 'refs-main']) execFileSync('mkfifo', [at(name)]);
// More than are done before the last signal comes: 60 once ended with 0 in the moment of theirs.
for (let n = 0; n < 600; n++) copyFileSync(join(ROOT, 'examples/cat.jpg'), at(`photos/${n}.jpg`));
const refs = at('cache/models--org--dogs/refs');
mkdirSync(refs, { recursive: true });
execFileSync('mkfifo', [join(refs, 'main')]);
writeFileSync(at('none'), '');

const stalled = createServer((request, response) => {
  if (request.url.includes('half')) response.writeHead(200, { 'content-length': 1e6 }).write('half');
});
await new Promise((resolve) => stalled.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${stalled.address().port}`;

const dogs = ['--model', join(ROOT, 'examples/dogs')];
/** What is running when the signal comes. */
const CASES = {
  'a picture from a named pipe': ['classify', 'picture.png', ...dogs],
  'a picture from a named pipe, among others': ['classify', 'photos', 'picture.png', ...dogs, '--threads', '2'],
  'a list from a named pipe': ['classify', '--files-from', 'list', ...dogs],
  'labels from a named pipe': ['convert', join(ROOT, 'examples/dogs'), 'converted', '--labels', 'labels'],
  'a picture from standard input that stays open': ['classify', '-', ...dogs],
  'a picture from a server that does not answer': ['classify', `${origin}/silent.jpg`, ...dogs],
  'a picture from a server that stops in the middle': ['classify', `${origin}/half.jpg`, ...dogs],
  'such pictures in threads': ['classify', ...new Array(6).fill(`${origin}/half.jpg`), ...dogs, '--threads', '2'],
  'a model from a hub that does not answer': [
    'classify',
    'photos/0.jpg',
    '--model',
    'org/cats',
    '--cache-dir',
    'cache',
  ],
  'a ref that is a pipe, and a hub that does not answer': ['inspect', 'org/dogs', '--cache-dir', 'cache'],
  'computing on one thread': ['classify', 'photos', ...dogs, '--threads', '1', '--json'],
  'computing on two threads': ['features', 'photos', ...dogs, '--threads', '2', '--out', 'out/f.npy'],
  'output that nobody reads': ['features', 'photos', ...dogs, '--no-pool', '--ndjson'],
};

/** Resolves with milliseconds from the signal to the end, and how it ended. */
function run(args, after, unread) {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: folder,
    env: { ...process.env, HF_ENDPOINT: origin, HF_HOME: at('home') },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  if (!unread) child.stdout.resume();
  child.stderr.on('data', (text) => {
    errors += text;
  });
  return new Promise((resolve) => {
    let sent;
    const guard = setTimeout(() => child.kill('SIGKILL'), after + HANGS);
    setTimeout(() => {
      sent = performance.now();
      child.kill('SIGTERM');
    }, after);
    child.on('exit', (code, signal) => {
      clearTimeout(guard);
      child.stdout.resume();
      child.stdin.destroy();
      resolve({ ms: sent === undefined ? undefined : performance.now() - sent, code, signal, errors });
    });
  });
}

let faults = 0;
let worst = 0;
let landed = 0;
let count = 0;
const each = Object.fromEntries(Object.keys(CASES).map((name) => [name, 0]));
while (count < signals) {
  for (const [name, args] of Object.entries(CASES)) {
    if (count++ >= signals) break;
    const after = random() * 1500;
    let ended = await run(args, after, name.startsWith('output'));
    // Other programs may have had the processor in that second; what does not hear a signal does not hear it the next time.
    for (let again = 0; again < 2 && ended.ms > MOST; again++)
      ended = await run(args, after, name.startsWith('output'));
    const { ms, code, signal, errors } = ended;
    const fault = (text) => {
      faults++;
      console.log(`FAULT: ${name}, after ${after.toFixed(0)} ms: ${text}`);
    };
    if (ms === undefined) continue; // it was done before
    landed++;
    worst = Math.max(worst, ms);
    each[name] = Math.max(each[name], ms);
    if (ms > MOST) fault(`${ms.toFixed(0)} ms`);
    if (code !== 143 && signal !== 'SIGTERM') fault(`ended with ${code ?? signal}`);
    if (/internal error|\n +at /.test(errors)) fault(errors);
    const left = ['.', 'out'].flatMap((place) => readdirSync(at(place))).filter((file) => file.endsWith('.tmp'));
    if (left.length > 0 && signal === null) fault(`left ${left}`);
  }
}
stalled.closeAllConnections();
stalled.close();
rmSync(folder, { recursive: true, force: true });
for (const [name, ms] of Object.entries(each)) console.log(`${ms.toFixed(0).padStart(5)} ms  ${name}`);
console.log(`${landed} signals, seed ${seed}: the slowest end after ${worst.toFixed(0)} ms; ${faults} faults`);
process.exitCode = faults === 0 ? 0 : 1;
