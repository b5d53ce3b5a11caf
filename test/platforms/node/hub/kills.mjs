/**
 * Kills downloads at random moments and looks at what they leave: nothing that has a name may be less than whole, and the
 * next run must succeed. Needs a build.
 *
 *     node test/platforms/node/hub/kills.mjs [kills = 200] [seed]
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COMMIT, dogsFiles, startHub } from '../../../hub/server.mjs';

const kills = Number(process.argv[2] ?? 200);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
const files = dogsFiles();
const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url));

/** mulberry32 */
let state = seed;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

const hub = await startHub();
hub.rate = 15_000_000; // a third of a second for the weights
const home = mkdtempSync(join(tmpdir(), 'mobilenet-v2-kills-'));
const model = join(home, 'hub/models--org--dogs');
const snapshot = join(model, 'snapshots', COMMIT);

/** @param after milliseconds from its first request until it is killed; never when undefined. Resolves with whether it was. */
function run(after) {
  const variables = { PATH: process.env.PATH, HF_HOME: home, HF_ENDPOINT: hub.endpoint };
  const child = spawn(process.execPath, [CHILD], { env: variables, stdio: ['ignore', 'ignore', 'pipe'] });
  let timer;
  hub.fault = () => {
    hub.fault = undefined;
    began = performance.now();
    if (after !== undefined) timer = setTimeout(() => child.kill('SIGKILL'), after);
  };
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (signal === null && code !== 0) fault(`a run ended with ${code}: ${errors}`);
      resolve(signal !== null);
    });
  });
}

let faults = 0;
/** When the last run sent its first request. */
let began = 0;
function fault(text) {
  faults++;
  console.log(`FAULT: ${text}`);
}

const hash = (name, bytes) =>
  name.length === 64
    ? createHash('sha256').update(bytes).digest('hex')
    : createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

/** Everything that has a name is whole. */
function inspect() {
  const names = (folder) => (existsSync(folder) ? readdirSync(folder) : []);
  for (const name of names(join(model, 'blobs')).filter((each) => !each.endsWith('.incomplete'))) {
    if (hash(name, readFileSync(join(model, 'blobs', name))) !== name) fault(`blob ${name} is not whole`);
  }
  for (const file of names(snapshot)) {
    const path = join(snapshot, file);
    if (!existsSync(path)) fault(`${file} links to ${readlinkSync(path)}, which is not there`);
    else if (!readFileSync(path).equals(files[file])) fault(`${file} is not what it should be`);
  }
  for (const name of names(join(model, 'refs'))) {
    if (name !== 'main' || readFileSync(join(model, 'refs', name), 'utf8') !== COMMIT) fault(`ref ${name}`);
    if (!existsSync(snapshot)) fault('a ref without its snapshot');
  }
}

let killed = 0;
let partial = 0;
let continued = 0;
let runs = 0;
let span = 600;
const start = performance.now();
while (killed < kills && faults === 0) {
  const after = random() * span;
  const was = await run(after);
  if (!was)
    span = Math.max(50, (performance.now() - began) * 1.1); // it was done before: this is how long it takes
  else killed++;
  inspect();
  partial +=
    existsSync(join(model, 'blobs')) && readdirSync(join(model, 'blobs')).some((name) => name.endsWith('.incomplete'));
  // Every other time the next run has to do; otherwise one killed run follows another.
  if (killed % 2 === 0) {
    const asked = hub.requests.length;
    await run();
    runs++;
    inspect();
    continued += hub.requests.slice(asked).some(({ range }) => range !== undefined);
    const left = readdirSync(join(model, 'blobs')).filter(
      (name) => name.endsWith('.incomplete') && !name.startsWith('ref'),
    );
    if (readdirSync(snapshot).length !== Object.keys(files).length) fault('the next run left files out');
    if (left.length > 0) fault(`the next run left ${left}`);
    rmSync(home, { recursive: true });
  }
}
await hub.close();
rmSync(home, { recursive: true, force: true });
const seconds = ((performance.now() - start) / 1000).toFixed(0);
console.log(
  `${killed} downloads killed, seed ${seed}: ${partial} left part of a file, ${continued} of the ${runs} runs after them continued one; ${faults} faults, ${seconds} s`,
);
process.exitCode = faults === 0 ? 0 : 1;
