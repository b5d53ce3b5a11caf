/**
 * Kills workers and the broker at random while they do a run, and looks whether anything was lost or doubled:
 *
 *     npm run build && node packages/server/bench/batch-kills.mjs [pictures] [kills]
 *
 * Two workers, a process each, take shards of 2,000 pictures from a redis-server. A process is killed (SIGKILL) every half second or
 * so, and is started again a moment later. Where a run is done before the last kill, another one begins. In the end every
 * run must have each picture once, and the same bytes as a run that nobody disturbed.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  batch,
  finished,
  freePort,
  makePictures,
  readResults,
  sleep,
  startBroker,
  temporaryFolder,
} from './batch-common.mjs';

const [pictures = 2000, kills = 200] = process.argv.slice(2).map(Number);
const SHARD = 16;
/** Milliseconds between two kills, and until what was killed is there again. */
const BETWEEN = [300, 1500];
const AWAY = [0, 400];
/** Milliseconds a picture of two workers that have two cores for themselves. */
const USUAL = 15;
/** Of kills, those of the broker. */
const BROKERS_SHARE = 0.2;

const random = ([from, to]) => from + Math.random() * (to - from);
const folder = temporaryFolder();
const input = join(folder, 'pictures');
await makePictures(input, pictures);
const task = ['--task', 'classify', '--shard-size', String(SHARD)];

console.log(`${pictures} pictures, shards of ${SHARD}, undisturbed:`);
const began = performance.now();
const calm = await finished(batch(['run', input, '--out', join(folder, 'calm'), ...task, '--workers', '2']));
if (calm.code !== 0) throw new Error(calm.errors);
/** On a machine that is busy a worker needs longer to begin, and killed before that it would never do anything. */
const slowness = Math.max(1, (performance.now() - began) / (USUAL * pictures));
const expected = readResults(join(folder, 'calm')).shards;

const port = await freePort();
const brokerFolder = join(folder, 'broker');
mkdirSync(brokerFolder);
const queue = ['--queue', `redis://127.0.0.1:${port}`];
const START = {
  broker: () => startBroker(brokerFolder, port),
  'worker 1': async () => quietly(batch(['work', ...queue, '--workers', '1', '--lock', '2', '--quiet'])),
  'worker 2': async () => quietly(batch(['work', ...queue, '--workers', '1', '--lock', '2', '--quiet'])),
};
const alive = {};
process.on('exit', () => {
  for (const child of Object.values(alive)) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
const killed = { broker: 0, 'worker 1': 0, 'worker 2': 0 };

function quietly(child) {
  child.stdout.resume();
  child.stderr.resume();
  return child;
}

async function killOne() {
  const victim = Math.random() < BROKERS_SHARE ? 'broker' : `worker ${Math.random() < 0.5 ? 1 : 2}`;
  const gone = new Promise((resolve) => alive[victim].once('exit', resolve));
  alive[victim].kill('SIGKILL');
  await gone;
  killed[victim]++;
  await sleep(random(AWAY));
  alive[victim] = await START[victim]();
}

/** Shards that are there. */
const done = (out) => readdirSync(out).filter((file) => file.startsWith('shard-')).length;

async function disturbedRun(out) {
  const planned = await finished(batch(['run', input, '--out', out, ...task, ...queue, '--no-work']));
  if (planned.code !== 0) throw new Error(planned.errors);
  let idle = 0;
  for (let before = -1; ; ) {
    const total = Object.values(killed).reduce((a, b) => a + b);
    const now = done(out);
    if (now === expected.size) return;
    if (total < kills) {
      await sleep(random(BETWEEN) * slowness);
      if (done(out) < expected.size) await killOne();
    } else await sleep(500);
    idle = now === before ? idle + 1 : 0;
    before = now;
    if (idle > 400) throw new Error(`nothing happens any more: ${now} of ${expected.size} shards`);
    if (total > 0 && total % 20 === 0) process.stderr.write(`${total} kills, ${now} of ${expected.size} shards\r`);
  }
}

const start = performance.now();
for (const name of Object.keys(START)) alive[name] = await START[name]();
let runs = 0;
let lost = 0;
let doubled = 0;
let different = 0;
let failed = 0;
while (Object.values(killed).reduce((a, b) => a + b) < kills) {
  const out = join(folder, `run-${++runs}`);
  await disturbedRun(out);
  const { shards, records } = readResults(out);
  const counts = new Map();
  for (const { file } of records) counts.set(file, (counts.get(file) ?? 0) + 1);
  lost += pictures - counts.size;
  doubled += records.length - counts.size;
  failed += records.filter(({ error }) => error !== undefined).length;
  different += [...expected].filter(([name, text]) => shards.get(name) !== text).length;
}
const seconds = (performance.now() - start) / 1000;
for (const name of ['worker 1', 'worker 2']) {
  const ended = new Promise((resolve) => alive[name].once('exit', resolve));
  alive[name].kill('SIGTERM');
  await ended;
}
const left = await finished(batch(['status', join(folder, 'run-1'), '--json', ...queue]));
alive.broker.kill('SIGKILL');

console.table({
  'kills of workers': killed['worker 1'] + killed['worker 2'],
  'kills of the broker': killed.broker,
  'runs of all pictures': runs,
  seconds: Math.round(seconds),
  'pictures lost': lost,
  'pictures doubled': doubled,
  'pictures failed': failed,
  'shards with other bytes': different,
  'jobs left in the queue': Object.values(JSON.parse(left.output).queue).reduce((a, b) => a + b),
});
process.exit(lost + doubled + failed + different === 0 ? 0 : 1);
