/**
 * Requests that are nearly right, at every route, by the hundred thousand: no answer may be a fault of the server's, no worker may
 * die, probes must be quick meanwhile, memory must not grow.
 *
 *     node packages/server/bench/random-bodies.mjs [--count 100000] [--seed 1]
 *     node packages/server/bench/random-bodies.mjs --seed 1 --only 4711      one alone, printed
 *     node packages/server/bench/random-bodies.mjs --grpc                    calls of gRPC, and garbage on its port
 *
 * Needs a build. Models are tiny, since it is not the network that is tried. Exit code 1 where a goal is missed.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import * as library from 'mobilenet-v2';
import { random } from './bodies.mjs';
import { ask, newAgent } from './client.mjs';
import { hostileRequests } from './hostile.mjs';
import { call, garbage, hostileCalls, wrongCall } from './hostile-calls.mjs';
import { freePort, HEAP_FLAGS, startOurs } from './processes.mjs';

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

/** How requests are sent over HTTP: `send(asked)`, `wrong(answer, asked)`, `end()`. */
function overHttp(server) {
  const agent = newAgent(4);
  return { send: (asked) => ask(server.url, asked, agent), wrong, end: () => agent.destroy() };
}

/** One call in so many comes with garbage on a connection beside it. */
const GARBAGE = 20;

/** The same by gRPC. A connection that the server ends is opened anew; it may end one whose frames are wrong. */
function overGrpc(port, seed) {
  let session;
  let calls = 0;
  const open = async () => {
    session = connect(`http://127.0.0.1:${port}`);
    session.on('error', () => {});
    await once(session, 'connect');
  };
  const send = async (asked) => {
    if (calls++ % GARBAGE === 0) await garbage(port, random(seed + calls));
    if (session === undefined || session.destroyed || session.closed) await open();
    return call(session, asked);
  };
  return { send, wrong: wrongCall, end: () => session?.destroy() };
}

async function tryAll({ count, seed, server, make, way }) {
  const counts = new Map();
  const faults = [];
  const measures = [];
  let next = 0;
  const each = async (end) => {
    while (next < end) {
      const n = next++;
      const asked = make(n);
      const answer = await way.send(asked);
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      const fault = way.wrong(answer, asked);
      if (fault) faults.push(`--seed ${seed} --only ${n}: ${asked.path}: ${fault.slice(0, 300)}`);
    }
  };
  const stop = probe(server);
  for (let part = 1; part <= MEASURES; part++) {
    const end = Math.round((count * part) / MEASURES);
    await Promise.all(Array.from({ length: 4 }, () => each(end)));
    const { heapUsed, external, rss } = await server.memory();
    measures.push({ heap: heapUsed + external, resident: rss });
  }
  way.end();
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
      grpc: { type: 'boolean', default: false },
    },
  });
  const seed = Number(options.seed);
  const picture = await stripes();
  const what = { classifier: NAMES[0], segmenter: NAMES[1], picture, side: SIDE };
  const hostile = options.grpc ? hostileCalls(what) : hostileRequests(what);
  const make = (n) => {
    const { path, headers, body } = hostile(random(seed + n * 7919));
    return { path: path.replaceAll(' ', '%20'), headers, body };
  };
  const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
  await saveModels(folder);
  const models = NAMES.flatMap((name) => ['--model', `${name}=${join(folder, name)}`]);
  const port = await freePort();
  // Frames that promise more than comes wait for the end of that time.
  const grpc = options.grpc ? ['--grpc-port', String(port), '--request-timeout', '2'] : [];
  const server = await startOurs([...models, '--workers', '2', ...grpc], { flags: HEAP_FLAGS });
  const way = options.grpc ? overGrpc(port, seed) : overHttp(server);
  try {
    if (options.only !== undefined) {
      const asked = make(Number(options.only));
      console.log(asked.path, asked.headers, asked.body.subarray(0, 3000).toString('latin1'));
      return console.log(textOf(await way.send(asked)));
    }
    console.log(`seed ${seed}, ${options.count} requests`);
    const good = async () => textOf(await ask(server.url, { path: '/', body: picture }));
    const before = await good();
    const begin = performance.now();
    const outcome = await tryAll({ count: Number(options.count), seed, server, make, way });
    const same = (await good()) === before && before.startsWith('200 ');
    if (!report(outcome, (performance.now() - begin) / 1000, same)) process.exitCode = 1;
  } finally {
    server.kill();
    rmSync(folder, { recursive: true });
  }
}

await main();
