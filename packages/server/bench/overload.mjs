/** What the server does with more requests than it can answer: README.md says how. Exit code 1 where a goal is missed. */
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Load, startOurs } from './processes.mjs';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '4' },
    workers: { type: 'string', default: String(cpus().length) },
    queue: { type: 'string', default: '64' },
    loads: { type: 'string', default: '0.5,1,2,4,8' },
    picture: { type: 'string', default: fileURLToPath(new URL('../../../examples/dog.jpg', import.meta.url)) },
  },
});
const seconds = Number(options.seconds);
const rounds = Number(options.rounds);
const workers = Number(options.workers);
const queue = Number(options.queue);

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
const times = (results) => results.map(({ ms }) => ms).toSorted((a, b) => a - b);
const goodput = (results) =>
  results.filter(({ status, inTime }) => status === 200 && inTime).length / (seconds * rounds);
const three = (sorted) => [0.5, 0.99, 1].map((q) => quantile(sorted, q)?.toFixed(0)).join(', ');
const isRefusal = ({ status }) => status === 429 || status === 503;

/** @returns a row of the table, and the goals with whether each holds */
function judge({ factor, results, health, peak }) {
  const accepted = times(results.filter(({ status }) => status === 200));
  const refused = times(results.filter(isRefusal));
  const others = results.filter((result) => result.status !== 200 && !isRefusal(result));
  const probes = times(health);
  const rate = goodput(results);
  // What waits before it and what is worked on, and a third.
  const allowed = (1.3 * (queue + workers) * 1000) / peak;
  const cells = [
    `${factor}×`,
    peak.toFixed(1),
    `${rate.toFixed(1)}, ${((100 * rate) / peak).toFixed(0)} %`,
    `${three(accepted)}; ${allowed.toFixed(0)}`,
    refused.length ? `${refused.length}; ${three(refused)}` : 'none',
    others.length ? [...new Set(others.map(({ status }) => status))].join(' ') : 'none',
    three(probes),
  ];
  const goals = {
    '/livez p99 below 100 ms': quantile(probes, 0.99) < 100 && health.every(({ status }) => status === 200),
    [`accepted p99 below ${allowed.toFixed(0)} ms`]: quantile(accepted, 0.99) <= allowed,
    'nothing but answers and refusals': others.length === 0,
    'at least 90 % of the peak': factor < 4 || rate >= 0.9 * peak,
  };
  return { row: `| ${cells.join(' | ')} |`, goals };
}

const server = await startOurs(['--workers', options.workers, '--queue', options.queue]);
const load = new Load();
const probes = new Load();
const common = { url: server.url, path: '/', picture: options.picture };
const peakNow = () => load.run({ ...common, connections: workers + 2, seconds });

/**
 * One load: in turns the peak, that is clients who wait for their answers, a few more than there are workers; and so many times as
 * many requests. A machine that others use changes from minute to minute, and both see the same of it.
 */
async function inTurns(factor) {
  const all = { peaks: [], results: [], health: [] };
  for (let round = 0; round < rounds; round++) {
    const peak = await peakNow();
    const rate = factor * (peak.filter(({ status, inTime }) => status === 200 && inTime).length / seconds);
    const [results, health] = await Promise.all([
      load.run({ ...common, rate, seconds }),
      probes.run({ url: server.url, path: '/livez', fresh: true, rate: 40, seconds }),
    ]);
    all.peaks.push(...peak);
    all.results.push(...results);
    all.health.push(...health);
  }
  return { factor, peak: goodput(all.peaks), results: all.results, health: all.health };
}

try {
  await load.run({ ...common, connections: workers + 2, seconds: 5 });
  console.log(
    `${cpus().length} × ${cpus()[0].model}, Node ${process.version}, ${workers} workers, a queue of ${queue}\n`,
  );
  const head = ['load', 'peak/s', 'answered/s, of the peak', 'ms to an answer: median, p99, most; allowed p99'];
  head.push('refused; ms: median, p99, most', 'other', '/livez, ms: median, p99, most');
  console.log(`| ${head.join(' | ')} |\n|${' --: |'.repeat(head.length)}`);
  for (const factor of options.loads.split(',').map(Number)) {
    const { row, goals } = judge(await inTurns(factor));
    console.log(row);
    for (const [goal, holds] of Object.entries(goals)) {
      if (holds) continue;
      console.error(`missed at ${factor}×: ${goal}`);
      process.exitCode = 1;
    }
  }
} finally {
  load.end();
  probes.end();
  server.kill();
}
