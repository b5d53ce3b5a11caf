/**
 * Random bodies at every route: README.md says how. Exit code 1 where an answer is 500 or none comes. `--only n` sends
 * request n alone and prints it.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { goodRequests, random, randomRequest } from './bodies.mjs';
import { ask, newAgent } from './client.mjs';
import { startOurs } from './processes.mjs';

const { values: options } = parseArgs({
  options: {
    bodies: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const good = await goodRequests();
const nth = (n) => randomRequest(good, random(Number(options.seed) * 1_000_003 + n));
const server = await startOurs([]);
const agent = newAgent(6);
const begin = performance.now();
const counts = new Map();

async function one(n) {
  const sent = nth(n);
  const { status, body } = await ask(server.url, sent, agent);
  counts.set(status, (counts.get(status) ?? 0) + 1);
  // 500 would be a fault of ours. A connection that is cut would be one, too: there was a whole request.
  if (typeof status === 'number' && status !== 500) return;
  process.exitCode = 1;
  console.error(`--seed ${options.seed} --only ${n}: ${sent.path} ${JSON.stringify(sent.headers)} → ${status} ${body}`);
}

try {
  if (options.only !== undefined) {
    await one(Number(options.only));
    writeFileSync('/dev/stdout', nth(Number(options.only)).body.subarray(0, 2000));
    console.log(`\n${server.output}`);
  } else {
    let next = 0;
    const total = Number(options.bodies);
    const each = async () => {
      while (next < total) await one(next++);
    };
    await Promise.all(Array.from({ length: 6 }, each));
    for (const sent of good) {
      const { status, body } = await ask(server.url, sent, agent);
      if (status === 200) continue;
      process.exitCode = 1;
      console.error(`afterwards, a good request: ${sent.path} ${status} ${body}`);
    }
    const seconds = ((performance.now() - begin) / 1000).toFixed(0);
    console.log(
      `${total} bodies in ${seconds} s: ${[...counts]
        .sort()
        .map(([status, n]) => `${n} × ${status}`)
        .join(', ')}`,
    );
  }
} finally {
  agent.destroy();
  server.kill();
}
