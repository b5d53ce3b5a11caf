/**
 * Good requests and random ones, for as long as you like, and the server's memory meanwhile: README.md says how. Exit code 1
 * where an answer is not the first one's, or memory grows.
 */
import { parseArgs } from 'node:util';
import { goodRequests, random, randomRequest } from './bodies.mjs';
import { ask, newAgent } from './client.mjs';
import { HEAP_FLAGS, startOurs } from './processes.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    measures: { type: 'string', default: '20' },
  },
});
const duration = Number(options.minutes) * 60_000;
const measures = Number(options.measures);
/** The first quarter fills caches and tiers of compilers; after it, memory may grow by so much. */
const SETTLED = 0.25;
const MORE = { heapUsed: 2 * 2 ** 20, rss: 24 * 2 ** 20 };

const server = await startOurs([], { flags: HEAP_FLAGS });
const good = await goodRequests();
const answers = new Map();
const agent = newAgent(4);
let next = 0;
let unlike = 0;

async function one(n) {
  const below = random(n + 1);
  if (below(4) === 0) {
    const { status } = await ask(server.url, randomRequest(good, below), agent);
    if (typeof status === 'number' && status !== 500) return;
    console.error(`random request ${n}: ${status}`);
    unlike++;
    return;
  }
  const index = below(good.length);
  const { status, body } = await ask(server.url, good[index], agent);
  const answer = `${status} ${body.toString('latin1')}`;
  if (!answers.has(index)) answers.set(index, answer);
  if (status === 200 && answers.get(index) === answer) return;
  console.error(`request ${n}, ${good[index].path}: ${answer.slice(0, 200)}`);
  unlike++;
}

const MiB = (bytes) => (bytes / 2 ** 20).toFixed(1);

let ending = false;
server.exited.then((exit) => {
  if (ending) return;
  console.error(`the server ended: ${JSON.stringify(exit)} ${server.output}`);
  process.exit(1);
});

const rows = [];
try {
  const begin = performance.now();
  for (let i = 1; i <= measures; i++) {
    const until = begin + (duration * i) / measures;
    const each = async () => {
      while (performance.now() < until) await one(next++);
    };
    await Promise.all(Array.from({ length: 4 }, each));
    rows.push({ requests: next, ...(await server.memory()) });
    const { requests, heapUsed, external, arrayBuffers, rss } = rows.at(-1);
    const rest = `external ${MiB(external)}, buffers ${MiB(arrayBuffers)}, resident ${MiB(rss)}`;
    console.log(`${requests} requests: heap of the main thread ${MiB(heapUsed)} MiB, ${rest}`);
  }
  const settled = rows.slice(Math.floor(measures * SETTLED));
  const half = settled.length >> 1;
  // The least of each half: what is on its way at that moment does not count.
  const least = (some, name) => Math.min(...some.map((row) => row[name]));
  for (const [name, allowed] of Object.entries(MORE)) {
    const grown = least(settled.slice(half), name) - least(settled.slice(0, half), name);
    console.log(`${name}: ${MiB(grown)} MiB more in the second half; ${MiB(allowed)} allowed`);
    if (grown > allowed) process.exitCode = 1;
  }
  const minutes = ((performance.now() - begin) / 60_000).toFixed(1);
  console.log(`${next} requests in ${minutes} minutes, ${unlike} with a wrong answer`);
  if (unlike > 0) process.exitCode = 1;
} finally {
  ending = true;
  agent.destroy();
  server.kill();
}
