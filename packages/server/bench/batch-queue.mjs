/**
 * What the queue costs, and how far it carries:
 *
 *     npm run build && node packages/server/bench/batch-queue.mjs [pictures] [rounds]
 *
 * Measured: pictures a second of one worker with and without a queue, by the size of shards; of two workers with it. From the
 * moment the first shard is there to the last, so that starting is left out; rounds take turns, the best counts. And CPU time,
 * of the worker's whole life and of the broker, which says more on a machine that others use too.
 * Simulated: up to 64 workers. Each takes a job, computes as long as shards really took here, and says that it is done; the
 * broker serves one request at a time, as long as it really worked on one. What a simulation cannot know, such as a disk
 * that all share, is not in it.
 */
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { batch, finished, freePort, makePictures, readResults, startBroker, temporaryFolder } from './batch-common.mjs';

const [pictures = 768, rounds = 3] = process.argv.slice(2).map(Number);
const SIZES = [16, 32, 64];
const MOST_WORKERS = 64;
/** Shards a worker in the simulation: an hour's work at 64 pictures each is some 1,000. */
const SHARDS_EACH = 100;
const NOTHING_JOBS = 3000;

const folder = temporaryFolder();
const input = join(folder, 'pictures');
await makePictures(input, pictures);
const port = await freePort();
mkdirSync(join(folder, 'broker'));
const broker = await startBroker(join(folder, 'broker'), port);
process.on('exit', () => broker.kill('SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
const url = `redis://127.0.0.1:${port}`;
const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };

/** When each shard was there, in seconds, the first being 0. */
function times(out) {
  const all = [...readResults(out).shards.keys()].map((file) => statSync(join(out, file)).mtimeMs / 1000);
  const first = Math.min(...all);
  return all.map((time) => time - first).sort((a, b) => a - b);
}

/** CPU seconds of processes that this one started and that have ended. */
function childrensSeconds() {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

const client = new Redis(connection);
client.on('error', () => {}); // it tries again until the broker is there

/** CPU seconds of the broker. */
async function brokersSeconds() {
  const info = await client.info('cpu');
  const of = (name) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)[1]);
  return of('used_cpu_user') + of('used_cpu_sys');
}

const spent = async () => childrensSeconds() + (await brokersSeconds());

/** @returns {{ rate: number, cpu: number, times: number[] }} pictures a second; CPU milliseconds a picture, with starting */
async function measure(size, workers, queued) {
  const out = join(folder, 'out');
  rmSync(out, { recursive: true, force: true });
  const task = ['--task', 'classify', '--shard-size', String(size)];
  const run = ['run', input, '--out', out, ...task, '--workers', '1', '--quiet'];
  const work = ['work', '--queue', url, '--workers', '1', '--until-empty', '--quiet'];
  if (queued) check(await finished(batch([...run, '--queue', url, '--no-work'])));
  const before = await spent();
  const ended = await Promise.all(Array.from({ length: workers }, () => finished(batch(queued ? work : run))));
  ended.forEach(check);
  const cpu = (1000 * ((await spent()) - before)) / pictures;
  const own = times(out);
  // A worker that began later must not count: from when all have had their first two shards.
  const skip = workers === 1 ? 0 : 2 * workers;
  return { rate: ((own.length - 1 - skip) * size) / (own[own.length - 1] - own[skip]), cpu, times: own };
}

function check({ code, errors }) {
  if (code !== 0) throw new Error(errors);
}

const best = new Map();
/** The best of each: the fastest run need not be the one with the least CPU time. */
const keep = (key, { rate, cpu, times }) => {
  const there = best.get(key) ?? { rate: 0, cpu: Infinity, times };
  best.set(key, {
    rate: Math.max(rate, there.rate),
    cpu: Math.min(cpu, there.cpu),
    times: rate > there.rate ? times : there.times,
  });
};
for (let round = 0; round < rounds; round++) {
  for (const size of SIZES) {
    for (const queued of round % 2 === 0 ? [false, true] : [true, false]) {
      keep(`${size} ${queued}`, await measure(size, 1, queued));
    }
  }
  keep('two', await measure(32, 2, true));
}

console.log(`measured: ${pictures} pictures of 256 by 192, one worker, the best of ${rounds}`);
console.table(
  SIZES.map((size) => {
    const [alone, queued] = [false, true].map((own) => best.get(`${size} ${own}`));
    const more = (part) => `${(100 * (part - 1)).toFixed(1)} %`;
    return {
      'pictures a shard': size,
      'pictures/s alone': alone.rate.toFixed(1),
      'with a queue': queued.rate.toFixed(1),
      'time more': more(alone.rate / queued.rate),
      'CPU ms alone': alone.cpu.toFixed(2),
      'with queue and broker': queued.cpu.toFixed(2),
      'CPU more': more(queued.cpu / alone.cpu),
    };
  }),
);

/** What a job costs that does nothing: the worker's wait for it, the broker's own work. */
async function brokerCosts() {
  const queue = new Queue('nothing', { connection });
  const jobs = Array.from({ length: NOTHING_JOBS }, (_, n) => ({
    name: `shard-${n}`,
    data: { out: '/results', hash: '0123456789abcdef', shard: n },
    opts: { jobId: `0123456789abcdef-shard-${n}`, attempts: 5, removeOnComplete: true },
  }));
  const before = await brokersSeconds();
  let start = performance.now();
  for (let at = 0; at < jobs.length; at += 1000) await queue.addBulk(jobs.slice(at, at + 1000));
  const adding = (performance.now() - start) / NOTHING_JOBS;
  const added = await brokersSeconds();
  start = performance.now();
  let left = NOTHING_JOBS;
  const worker = new Worker('nothing', async () => {}, { connection });
  await new Promise((resolve) => {
    worker.on('completed', () => {
      if (--left === 0) resolve();
    });
  });
  const cycle = (performance.now() - start) / NOTHING_JOBS;
  const working = await brokersSeconds();
  await worker.close();
  await queue.close();
  return {
    adding,
    cycle,
    broker: ((working - added) * 1000) / NOTHING_JOBS,
    planned: ((added - before) * 1000) / NOTHING_JOBS,
  };
}

const costs = await brokerCosts();
console.log('measured: a job that does nothing, in milliseconds');
console.table({
  'putting it into the queue': costs.adding.toFixed(3),
  'taking it, and saying that it is done': costs.cycle.toFixed(3),
  "the broker's own work at that": costs.broker.toFixed(3),
  'jobs a second that the broker could serve': Math.round(1000 / costs.broker),
});

/**
 * Workers that take shards from one queue. Seconds.
 * @param service how long shards take, drawn from these
 * @param round what a worker waits for a job beyond the broker's work
 */
function simulate(workers, service, { round, broker }) {
  const shards = workers * SHARDS_EACH;
  let seed = 1;
  const draw = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return service[(seed >>> 16) % service.length]; // its low bits are not random
  };
  const free = new Array(workers).fill(0);
  let brokerFree = 0;
  let work = 0;
  for (let shard = 0; shard < shards; shard++) {
    let who = 0;
    for (let n = 1; n < workers; n++) if (free[n] < free[who]) who = n;
    const served = Math.max(free[who] + round, brokerFree) + broker;
    brokerFree = served;
    const own = draw();
    work += own;
    free[who] = served + own;
  }
  return work / (workers * Math.max(...free));
}

console.log("workers with a queue: how much of each one's time goes to pictures");
const two = best.get('two').rate / best.get('32 true').rate / 2;
for (const size of [32, 64]) {
  const own = best.get(`${size} false`).times;
  const service = own.slice(1).map((time, n) => time - own[n]);
  const parts = { round: (costs.cycle - costs.broker) / 1000, broker: costs.broker / 1000 };
  const rows = [];
  for (let workers = 1; workers <= MOST_WORKERS; workers *= 2) {
    const measured = workers === 1 ? best.get(`${size} true`).rate / best.get(`${size} false`).rate : two;
    rows.push({
      workers,
      simulated: simulate(workers, service, parts).toFixed(3),
      measured: workers === 1 || (workers === 2 && size === 32) ? measured.toFixed(3) : '',
    });
  }
  console.log(`shards of ${size}, ${(service.reduce((a, b) => a + b) / service.length).toFixed(2)} s each`);
  console.table(rows);
}
process.exit(0);
