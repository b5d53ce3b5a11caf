/**
 * Cold start and memory: fresh processes in turn, each from its start to its first result, with the network and the
 * picture read from disk.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { shippedIn } from '../shipped.mjs';
import { median } from '../support.mjs';

const CHILD = fileURLToPath(new URL('cold-child.mjs', import.meta.url));

/** What the child writes: `{ ms, rss, output }`. */
function start(node, task) {
  return new Promise((resolve, reject) => {
    const begun = performance.timeOrigin + performance.now();
    const child = spawn(node, [CHILD, JSON.stringify({ ...task, begun })], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let errors = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    child.stderr.on('data', (text) => {
      errors += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      const answer = out.split('\n').find((line) => line.startsWith('{'));
      if (code === 0 && answer !== undefined) resolve(JSON.parse(answer));
      else reject(new Error(errors.match(/.*Error: .*/)?.[0] ?? `the process ended with ${code}`));
    });
  });
}

/** @returns `{ engine, ms, rss }` of each, medians, in milliseconds and MiB, or `{ engine, error }` */
export async function benchCold(network, engines, { node, ours, rounds, report }) {
  const { folder, dims, channels, judge } = network;
  const url = shippedIn(ours, node);
  const rows = engines.map((engine) => ({ engine, times: [], sizes: [] }));
  for (let round = 0; round < rounds; round++) {
    report(`${network.name}: cold start, round ${round + 1} of ${rounds}`);
    for (const row of rows.filter(({ error }) => error === undefined)) {
      try {
        const place = { folder, dims, channels, ours: url };
        const { ms, rss, output } = await start(node, { ...row.engine, ...place });
        if (!judge(row.engine, output).agrees) throw new Error('outputs differ');
        row.times.push(ms);
        row.sizes.push(rss);
      } catch (error) {
        row.error = error.message;
      }
    }
  }
  return rows.map(({ engine, error, times, sizes }) =>
    error === undefined
      ? { engine, ms: median(times), min: Math.min(...times), rss: median(sizes) / 1024 }
      : { engine, error },
  );
}
