/**
 * Requests that are nearly right, at every route, by the hundred thousand: no answer may be a fault of the server's, no worker may
 * die, probes must be quick meanwhile, memory must not grow.
 *
 *     node packages/server/bench/random-bodies.mjs [--count 100000] [--seed 1]
 *     node packages/server/bench/random-bodies.mjs --seed 1 --only 4711      one alone, printed
 *
 * Needs a build. Models are tiny, since it is not the network that is tried. Exit code 1 where a goal is missed.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as library from 'mobilenet-v2';
import { serve } from '../dist/serve.js';
import { hostileRequests } from './hostile.mjs';

const MEBIBYTE = 2 ** 20;
/** Five measures, the first after a fifth: caches are filled and code is compiled by then. Later ones may be so much above it. */
const MEASURES = 5;
const MORE = { heap: 4 * MEBIBYTE, resident: 48 * MEBIBYTE };
const PROBE_P99 = 100;
const SIDE = 32;
const NAMES = ['classifier', 'segmenter'];

async function saveModels(folder) {
  const { MobileNetV2Config, MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation } = library;
  const size = { depth_multiplier: 0.1, image_size: SIDE, finegrained_output: false, initializer_range: 0.3 };
  const config = new MobileNetV2Config({ ...size, id2label: { 0: 'ant', 1: 'bee', 2: 'cat' }, output_stride: 8 });
  const processor = new library.MobileNetV2ImageProcessor({
    size: { shortest_edge: SIDE },
    crop_size: { height: SIDE, width: SIDE },
  });
  for (const [i, Model] of [MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation].entries()) {
    await new Model(config, { seed: 4 }).save_pretrained(join(folder, NAMES[i]));
    await processor.save_pretrained(join(folder, NAMES[i]));
  }
}

/** A small PNG. */
async function stripes() {
  const pixels = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => (i * 7) % 256);
  const png = await new library.RawImage(pixels, SIDE, SIDE, 3).toBlob('image/png');
  return Buffer.from(await png.arrayBuffer());
}

/** The server: a process of its own, asked for its memory by messages. */
async function runServer(folder) {
  const models = NAMES.map((name) => ({ name, where: join(folder, name) }));
  const server = await serve({ models, workers: 2, port: 0, host: '127.0.0.1', logger: { level: 'error' } });
  process.on('message', async (word) => {
    if (word === 'end') {
      await server.close();
      process.disconnect();
      return;
    }
    global.gc();
    const { heapUsed, external, rss } = process.memoryUsage();
    process.send({ heap: heapUsed + external, resident: rss });
  });
  process.send({ port: server.app.server.address().port });
}

function ask(port, agent, { method = 'POST', path, headers = {}, body = '' }) {
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, agent, method, path, headers }, (reply) => {
      let text = '';
      reply.setEncoding('latin1').on('data', (part) => (text += part));
      reply.on('end', () => resolve({ status: reply.statusCode, text }));
      reply.on('error', (error) => resolve({ status: 0, text: error.message }));
    });
    sent.on('error', (error) => resolve({ status: 0, text: error.message }));
    sent.end(body);
  });
}

/** Whole numbers below a limit, the same ones for a seed (mulberry32). */
function random(seed) {
  let state = seed | 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** Asks /livez over and over, each time over a new connection. */
function probe(port) {
  const times = [];
  const agent = new Agent();
  let on = true;
  const ended = (async () => {
    while (on) {
      const begin = performance.now();
      const { status } = await ask(port, agent, { method: 'GET', path: '/livez' });
      times.push(status === 200 ? performance.now() - begin : Number.POSITIVE_INFINITY);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  })();
  return async () => {
    on = false;
    await ended;
    return times.sort((a, b) => a - b);
  };
}

/** Whether an answer says whose fault it was, and that it was not the server's. */
function wrong({ status, text }) {
  if (status === 0) return `no answer: ${text}`;
  if (status >= 500) return `${status} ${text}`;
  if (status >= 400 && !/^\{"error":"./.test(text)) return `${status} without an error: ${text}`;
}

async function tryAll({ count, seed, port, memory, make }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const counts = new Map();
  const faults = [];
  const measures = [];
  let next = 0;
  const each = async (end) => {
    while (next < end) {
      const n = next++;
      const answer = await ask(port, agent, make(n));
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      const fault = wrong(answer);
      if (fault) faults.push(`--seed ${seed} --only ${n}: ${make(n).path}: ${fault.slice(0, 300)}`);
    }
  };
  const stop = probe(port);
  for (let part = 1; part <= MEASURES; part++) {
    const end = Math.round((count * part) / MEASURES);
    await Promise.all(Array.from({ length: 4 }, () => each(end)));
    measures.push(await memory());
  }
  agent.destroy();
  return { counts, faults, measures, probes: await stop() };
}

function report({ counts, faults, measures, probes }, seconds, good) {
  const goals = [];
  const all = [...counts].sort(([a], [b]) => a - b).map(([status, n]) => `${n} × ${status}`);
  console.log(`${all.join(', ')}; ${seconds.toFixed(0)} s`);
  for (const fault of faults.slice(0, 20)) console.log(fault);
  goals.push([`faults: ${faults.length}`, faults.length === 0]);
  for (const kind of ['heap', 'resident']) {
    const mebibytes = measures.map((measure) => (measure[kind] / MEBIBYTE).toFixed(1));
    const [first, ...later] = measures.map((measure) => measure[kind]);
    goals.push([`${kind}, MiB: ${mebibytes.join(' ')}`, Math.min(...later.slice(-2)) <= first + MORE[kind]]);
  }
  const at = (part) => probes[Math.min(probes.length - 1, Math.floor(probes.length * part))].toFixed(1);
  const quick = Number(at(0.99)) < PROBE_P99;
  goals.push([`/livez, ms: median ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)} of ${probes.length}`, quick]);
  goals.push(['a good request, afterwards, has the answer that it had before', good]);
  for (const [text, kept] of goals) console.log(`${kept ? 'kept  ' : 'MISSED'} ${text}`);
  return goals.every(([, kept]) => kept);
}

async function main() {
  const { values: options } = parseArgs({
    options: {
      count: { type: 'string', default: '100000' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      only: { type: 'string' },
    },
  });
  const seed = Number(options.seed);
  const picture = await stripes();
  const hostile = hostileRequests({ classifier: NAMES[0], segmenter: NAMES[1], picture, side: SIDE });
  const make = (n) => {
    const { path, headers, body } = hostile(random(seed + n * 7919));
    return { path: path.replaceAll(' ', '%20'), headers, body };
  };
  const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
  await saveModels(folder);
  const child = fork(fileURLToPath(import.meta.url), [folder], {
    execArgv: ['--expose-gc'],
    env: { ...process.env, RANDOM_BODIES: 'server' },
  });
  try {
    const [{ port }] = await once(child, 'message');
    if (options.only !== undefined) {
      const asked = make(Number(options.only));
      console.log(asked.path, asked.headers, asked.body.subarray(0, 3000).toString('latin1'));
      return console.log(await ask(port, undefined, asked));
    }
    console.log(`seed ${seed}, ${options.count} requests`);
    const good = () => ask(port, undefined, { path: '/', body: picture });
    const before = await good();
    const memory = async () => {
      child.send('memory');
      return (await once(child, 'message'))[0];
    };
    const begin = performance.now();
    const outcome = await tryAll({ count: Number(options.count), seed, port, memory, make });
    const same = JSON.stringify(await good()) === JSON.stringify(before) && before.status === 200;
    if (!report(outcome, (performance.now() - begin) / 1000, same)) process.exitCode = 1;
  } finally {
    if (child.connected) child.send('end');
    await once(child, 'exit');
    rmSync(folder, { recursive: true });
  }
}

if (process.env.RANDOM_BODIES === 'server') await runServer(process.argv[2]);
else await main();
