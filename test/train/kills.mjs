/**
 * Kills trainings at random moments and lets them go on: the weights at the end must be those of one that was never killed,
 * to the bit. Needs a build.
 *
 *     node test/train/kills.mjs [kills = 50] [head|all] [seed]
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const kills = Number(process.argv[2] ?? 50);
const part = process.argv[3] ?? 'all';
const seed = Number(process.argv[4] ?? Math.floor(Math.random() * 2 ** 31));
const CHILD = fileURLToPath(new URL('killed.mjs', import.meta.url));

/** mulberry32 */
let state = seed;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

let faults = 0;
function fault(text) {
  faults++;
  console.log(`FAULT: ${text}`);
}

/** @param after milliseconds from its beginning until it is killed; never when undefined. Gives whether it was, and how long it took. */
function run(folder, after, threads = '1') {
  const child = spawn(process.execPath, [CHILD, folder, part, threads], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [errors, timer, began] = ['', undefined, 0];
  child.stderr.on('data', (text) => {
    errors += text;
  });
  child.stdout.on('data', (text) => {
    if (began > 0 || !`${text}`.includes('began')) return;
    began = performance.now();
    if (after !== undefined) timer = setTimeout(() => child.kill('SIGKILL'), after);
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (signal === null && code !== 0) fault(`a run ended with ${code}: ${errors}`);
      resolve({ killed: signal !== null, failed: signal === null && code !== 0, took: performance.now() - began });
    });
  });
}

const home = mkdtempSync(join(tmpdir(), 'mobilenet-v2-training-'));
const weights = (folder) => readFileSync(join(folder, 'final/model.safetensors'));
const whole = join(home, 'whole');
const { took } = await run(whole);
const expected = weights(whole);
await run(join(home, 'threads'), undefined, '2');
if (!weights(join(home, 'threads')).equals(expected)) fault('two threads make other weights than one');

let [killed, finished, resumed] = [0, 0, 0];
for (let n = 0; killed < kills && faults < 5; n++) {
  const folder = join(home, `run-${n}`);
  for (let times = 0; ; times++) {
    // At most 12 times each, so that some get to their end.
    const result = await run(folder, killed < kills && times < 12 ? random() * took : undefined);
    if (result.killed) killed++;
    if (result.failed) break;
    if (result.killed) continue;
    finished++;
    if (times > 0) resumed++;
    if (!weights(folder).equals(expected)) fault(`run ${n}, killed ${times} times: other weights`);
    break;
  }
  const left = readdirSync(folder).filter((name) => /^checkpoint-/.test(name));
  if (left.length > 3) fault(`run ${n}: ${left.length} checkpoints are left`);
  rmSync(folder, { recursive: true, force: true });
}
rmSync(home, { recursive: true, force: true });
console.log(
  `${killed} kills, ${finished} trainings to their end, ${resumed} of them killed before (${part}, seed ${seed}, ${Math.round(took)} ms without a kill)`,
);
process.exitCode = faults === 0 ? 0 : 1;
