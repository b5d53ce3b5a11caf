/**
 * SIGTERM under load, again and again: README.md says how. Exit code 1 where a request was cut off, or the server's exit code
 * is not 0.
 */
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startOurs } from './processes.mjs';

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    workers: { type: 'string', default: '2' },
    clients: { type: 'string', default: '12' },
  },
});
const picture = await readFile(fileURLToPath(new URL('../../../examples/dog.jpg', import.meta.url)));
/** A request that was on its way for so long before the signal counts as accepted, milliseconds. */
const SURELY_READ = 50;

/**
 * One request; gives `{ sent, accepted, status }`: when its headers were sent and when the server took them, both in ms, and
 * the status of a whole answer, or the reason why no answer came.
 * @param slow asks first (`Expect: 100-continue`), so that it is known when the server has taken the headers, and then sends
 *   its body in two halves
 */
function send(url, agent, slow) {
  return new Promise((resolve) => {
    const record = { sent: performance.now() };
    const headers = { 'Content-Type': 'image/jpeg', 'Content-Length': picture.length };
    if (slow) headers.Expect = '100-continue';
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      response.on('error', () => resolve({ ...record, status: 'cut' }));
      response.on('end', () => resolve({ ...record, status: response.complete ? response.statusCode : 'cut' }));
      response.resume();
    });
    sent.on('error', ({ code }) => resolve({ ...record, status: code }));
    if (!slow) return sent.end(picture);
    sent.flushHeaders();
    sent.on('continue', async () => {
      record.accepted = performance.now();
      sent.write(picture.subarray(0, picture.length >> 1));
      await sleep(100);
      sent.end(picture.subarray(picture.length >> 1));
    });
  });
}

/** @returns what came of the requests of one life of a server */
async function life(wait) {
  const server = await startOurs(['--workers', options.workers]);
  const records = [];
  let ended = false;
  const client = async (slow) => {
    const agent = new Agent({ keepAlive: !slow, maxSockets: 1 });
    while (!ended) {
      const record = await send(`${server.url}/`, agent, slow);
      records.push(record);
      if (typeof record.status === 'string') await sleep(5);
    }
    agent.destroy();
  };
  const clients = Array.from({ length: Number(options.clients) }, (_, i) => client(i % 2 === 0));
  await sleep(wait);
  const signal = performance.now();
  server.kill('SIGTERM');
  const end = await Promise.race([server.exited, sleep(20_000, { code: 'did not end' })]);
  const took = performance.now() - signal;
  ended = true;
  server.kill();
  await Promise.all(clients);
  // Who asks first is known to be in when the server says so, the others some moments after they sent.
  const isIn = ({ sent, accepted = sent + SURELY_READ }) => accepted < signal;
  const before = records.filter(isIn);
  // Taken by the server, but after the signal: told to go elsewhere.
  const after = records.filter((record) => record.accepted !== undefined && !isIn(record));
  return { before, after, code: end.code ?? end.signal, took, output: server.output };
}

const isCut = ({ status }) => typeof status === 'string';
const count = Number(options.kills);
const all = [];
for (let i = 0; i < count; i++) {
  // At any moment of what a server does: with its first requests, and warm.
  const one = await life(100 + ((i * 37) % 400));
  all.push(one);
  const wrong = [...one.before.filter(({ status }) => status !== 200), ...one.after.filter(isCut)];
  if (wrong.length === 0 && one.code === 0) continue;
  process.exitCode = 1;
  console.error(
    `signal ${i}: exit code ${one.code}, ${wrong.length} requests without their answer:`,
    wrong.slice(0, 3),
  );
  console.error(one.output.slice(-500));
}
const say = (records) => {
  const counts = new Map();
  for (const { status } of records) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, n]) => `${n} × ${status}`).join(', ');
};
const took = all.map((one) => one.took).toSorted((a, b) => a - b);
console.log(`${count} signals; requests taken before them: ${say(all.flatMap(({ before }) => before))}`);
console.log(`taken after them: ${say(all.flatMap(({ after }) => after)) || 'none'}`);
console.log(`exit codes ${[...new Set(all.map(({ code }) => code))].join(', ')}`);
console.log(`from signal to end: median ${took[count >> 1].toFixed(0)} ms, most ${took.at(-1).toFixed(0)} ms`);
