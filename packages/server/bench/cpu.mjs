/** CPU a request, beside servers of onnxruntime-node and sharp, and of transformers.js: README.md says how. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeNetwork, writePictures } from '../../../bench/peers/end-to-end/files.mjs';
import { loadOurs } from '../../../bench/peers/files.mjs';
import { ask, newAgent } from './client.mjs';
import { freePort, ServerProcess, startOurs } from './processes.mjs';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const PEER = fileURLToPath(new URL('../../../bench/peers/server.mjs', import.meta.url));

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '8' },
    requests: { type: 'string', default: '60' },
    pictures: { type: 'string', default: '256x256.jpg,1mp.jpg' },
    python: { type: 'string', default: process.env.ORACLE_PYTHON ?? 'python3' },
    node: { type: 'string', default: process.execPath },
  },
});
const rounds = Number(options.rounds);
const requests = Number(options.requests);

async function startPeer(engine, network, env) {
  const port = await freePort();
  return new ServerProcess(PEER, [engine, network, String(port)], port, { env, node: options.node }).listening();
}

/** Sends a picture over and over, on two connections that stay open; two cores can work on two. Gives the first label. */
async function send(server, picture, count) {
  const agent = newAgent(2);
  const sent = { path: '/', headers: { 'Content-Type': 'image/jpeg' }, body: picture };
  let left = count;
  let label;
  const one = async () => {
    while (left-- > 0) {
      const { status, body } = await ask(server.url, sent, agent);
      if (status !== 200) throw new Error(`${status} ${body}`);
      [label] = JSON.parse(body);
    }
  };
  await Promise.all([one(), one()]);
  agent.destroy();
  return label;
}

const folder = await mkdtemp(join(tmpdir(), 'mobilenet-v2-server-'));
const servers = [];
try {
  const shelf = writePictures(options.python, folder);
  const network = await writeNetwork(await loadOurs(REPOSITORY), REPOSITORY, folder);
  const pictures = await Promise.all(
    options.pictures.split(',').map(async (name) => ({ name, bytes: await readFile(join(shelf, name)) })),
  );
  const one = { THREADS: '1' };
  const starts = {
    'mobilenet-v2-server': () => startOurs(['--workers', '2'], { node: options.node }),
    'onnxruntime-node and sharp': () => startPeer('ort-sharp', network),
    'onnxruntime-node and sharp, one thread': () => startPeer('ort-sharp', network, one),
    'transformers.js': () => startPeer('transformers-node', network),
    'transformers.js, one thread': () => startPeer('transformers-node', network, one),
  };
  for (const [title, start] of Object.entries(starts))
    servers.push({ title, process: await start(), costs: new Map() });
  for (let round = -1; round < rounds; round++) {
    for (const { name, bytes } of pictures) {
      for (const { title, process: server, costs } of servers) {
        // The first round warms up: compilers, caches, connections.
        const before = server.cpu();
        const { label, score } = await send(server, bytes, requests);
        const cost = (server.cpu() - before) / requests;
        if (round < 0) console.error(`${name}, ${title}: ${label} ${score}`);
        else costs.set(name, [...(costs.get(name) ?? []), cost]);
      }
    }
  }
  console.log(`${cpus().length} × ${cpus()[0].model}, Node of the servers: ${options.node}\n`);
  console.log(`| ms of CPU a request: least / median | ${pictures.map(({ name }) => name).join(' | ')} |`);
  console.log(`| --- | ${pictures.map(() => '--:').join(' | ')} |`);
  const figures = (costs) => {
    const sorted = costs.toSorted((a, b) => a - b);
    return { least: sorted[0], median: sorted[sorted.length >> 1] };
  };
  for (const { title, costs } of servers) {
    const cells = pictures.map(({ name }) => {
      const { least, median } = figures(costs.get(name));
      const ours = figures(servers[0].costs.get(name));
      const ratio = `ours is ${(ours.least / least).toFixed(2)}× / ${(ours.median / median).toFixed(2)}×`;
      return `${least.toFixed(1)} / ${median.toFixed(1)}${title === servers[0].title ? '' : `, ${ratio}`}`;
    });
    console.log(`| ${title} | ${cells.join(' | ')} |`);
  }
} finally {
  for (const { process: server } of servers) server.kill();
  await rm(folder, { recursive: true, force: true });
}
