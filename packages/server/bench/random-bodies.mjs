/**
 * Requests that are nearly right, at every route, by the hundred thousand: no answer may be a fault of the server's, no worker may
 * die, probes must be quick meanwhile, memory must not grow.
 *
 *     node packages/server/bench/random-bodies.mjs [--count 100000] [--seed 1]
 *     node packages/server/bench/random-bodies.mjs --seed 1 --only 4711      one alone, printed
 *
 * Needs a build. Models are tiny, since it is not the network that is tried. Exit code 1 where a goal is missed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import * as library from 'mobilenet-v2';
import { random } from './bodies.mjs';
import { ask, newAgent } from './client.mjs';
import { hostileRequests } from './hostile.mjs';
import { HEAP_FLAGS, startOurs } from './processes.mjs';

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

const textOf = ({ status, body }) => `${status} ${body.toString('latin1')}`;

/** Asks /livez over and over, each time over a new connection. */
function probe(server) {
  const times = [];
  let on = true;
  const ended = (async () => {
    while (on) {
      const begin = performance.now();
      const { status } = await ask(server.url, { method: 'GET', path: '/livez' });
      times.push(status === 200 ? performance.now() - begin : Number.POSITIVE_INFINITY);
      await sleep(25);
    }
  })();
  return async () => {
    on = false;
    await ended;
    return times.sort((a, b) => a - b);
  };
}

/** Whether an answer says whose fault it was, and that it was not the server's. */
function wrong({ status, body }) {
  if (typeof status === 'string') return `no answer: ${status}`;
  if (status >= 500) return `${status} ${body}`;
  if (status >= 400 && !/^\{"error":"./.test(body)) return `${status} without an error: ${body}`;
}

async function tryAll({ count, seed, server, make }) {
  const agent = newAgent(4);
  const counts = new Map();
  const faults = [];
  const measures = [];
  let next = 0;
  const each = async (end) => {
    while (next < end) {
      const n = next++;
      const answer = await ask(server.url, make(n), agent);
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      const fault = wrong(answer);
      if (fault) faults.push(`--seed ${seed} --only ${n}: ${make(n).path}: ${fault.slice(0, 300)}`);
    }
  };
  const stop = probe(server);
  for (let part = 1; part <= MEASURES; part++) {
    const end = Math.round((count * part) / MEASURES);
    await Promise.all(Array.from({ length: 4 }, () => each(end)));
    const { heapUsed, external, rss } = await server.memory();
    measures.push({ heap: heapUsed + external, resident: rss });
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
  const models = NAMES.flatMap((name) => ['--model', `${name}=${join(folder, name)}`]);
  const server = await startOurs([...models, '--workers', '2'], { flags: HEAP_FLAGS });
  try {
    if (options.only !== undefined) {
      const asked = make(Number(options.only));
      console.log(asked.path, asked.headers, asked.body.subarray(0, 3000).toString('latin1'));
      return console.log(textOf(await ask(server.url, asked)));
    }
    console.log(`seed ${seed}, ${options.count} requests`);
    const good = async () => textOf(await ask(server.url, { path: '/', body: picture }));
    const before = await good();
    const begin = performance.now();
    const outcome = await tryAll({ count: Number(options.count), seed, server, make });
    const same = (await good()) === before && before.startsWith('200 ');
    if (!report(outcome, (performance.now() - begin) / 1000, same)) process.exitCode = 1;
  } finally {
    server.kill();
    rmSync(folder, { recursive: true });
  }
}

await main();
