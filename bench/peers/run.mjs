/** npm run bench:peers -- [options]; README.md says what they are and how it measures. */

import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pages } from './browser/pages.mjs';
import { benchCold } from './cold.mjs';
import { benchEndToEnd } from './end-to-end/run.mjs';
import { endToEndTable } from './end-to-end/tables.mjs';
import { choose, peak } from './engines.mjs';
import { loadOurs, writeFiles } from './files.mjs';
import { NETWORKS } from './networks.mjs';
import { processes } from './node.mjs';
import { QUANTIZED, whyNot, writeQuantized } from './quantized.mjs';
import { benchRounds } from './rounds.mjs';
import { measureSizes } from './sizes.mjs';
import { coldTable, sizesTable, timesTable } from './tables.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    networks: { type: 'string', default: Object.keys({ ...NETWORKS, ...QUANTIZED }).join() },
    tflite: { type: 'string', default: join(here, '../../../shared/tflite') },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '16' },
    launches: { type: 'string', default: '2' },
    budget: { type: 'string', default: '300' },
    times: { type: 'boolean' },
    cold: { type: 'boolean' },
    sizes: { type: 'boolean' },
    browser: { type: 'boolean' },
    'end-to-end': { type: 'boolean' },
    decode: { type: 'boolean' },
    pictures: { type: 'string' },
    python: { type: 'string', default: process.env.ORACLE_PYTHON ?? 'python3' },
    node: { type: 'string', default: process.execPath },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
    ours: { type: 'string', default: join(here, '../..') },
    json: { type: 'string' },
  },
});
const ours = resolve(options.ours);
if (!existsSync(join(ours, 'dist/entries/main-node.js'))) {
  console.error(`bench:peers: no built package in ${ours}; run \`npm run build\` first`);
  process.exit(1);
}
const parts = ['times', 'cold', 'sizes', 'browser'];
// What needs Python runs when it is asked for only.
const everything = [...parts, 'end-to-end', 'decode'].every((part) => !options[part]);
const wanted = (part) => everything || options[part];
const ids = options.only?.split(',');
const threads = options.threads.split(',').map(Number);
const names = options.networks.split(',').filter((name) => {
  if (NETWORKS[name] !== undefined) return true;
  if (QUANTIZED[name] === undefined)
    throw new Error(`no network ${name}; there are ${Object.keys({ ...NETWORKS, ...QUANTIZED }).join(', ')}`);
  const why = whyNot(name, options.tflite);
  if (why !== undefined) console.error(why);
  return why === undefined;
});
const report = (line) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${line}`);
const how = {
  rounds: Number(options.rounds),
  launches: Number(options.launches),
  budget: Number(options.budget),
  report,
};

const results = {
  node: execFileSync(options.node, ['--version'], { encoding: 'utf8' }).trim(),
  machine: `${cpus().length} × ${cpus()[0].model}`,
  times: [],
  cold: [],
  isolated: [],
  plain: [],
};
const modules = await loadOurs(ours);
const folder = await mkdtemp(join(tmpdir(), 'mobilenet-v2-peers-'));
try {
  for (const name of parts.some(wanted) ? names : []) {
    report(`${name}: writing`);
    const network = await (QUANTIZED[name] === undefined
      ? writeFiles(modules, name, folder)
      : writeQuantized(modules, name, folder, options));
    for (const note of network.notes ?? []) console.error(`${name}: ${note}`);
    const kind = { quantized: network.quantized };
    const engines = choose('node', network, ids, threads);
    if (wanted('times')) {
      const enter = processes(options.node, ours);
      const rows = await benchRounds(network, [peak(network), ...engines], { ...how, enter });
      results.times.push({ network: name, ...kind, rows });
    }
    if (wanted('cold')) {
      const rows = await benchCold(network, engines, { node: options.node, ours, rounds: how.rounds, report });
      results.cold.push({ network: name, ...kind, rows });
    }
    if (wanted('browser')) {
      for (const isolated of [true, false]) {
        const enter = pages({ executable: options.chromium, networks: folder, ours, isolated });
        const inPages = choose('browser', network, ids, isolated ? threads : [1]);
        const rows = await benchRounds(network, [peak(network), ...inPages], { ...how, enter });
        results[isolated ? 'isolated' : 'plain'].push({ network: name, ...kind, rows });
      }
    }
    await rm(network.folder, { recursive: true });
  }
  const tasks = [...(options['end-to-end'] ? ['label', 'page'] : []), ...(options.decode ? ['decode'] : [])];
  if (tasks.length > 0) {
    const { node, python, chromium, pictures } = options;
    const chosen = { ids: options.only?.split(','), pictures: pictures?.split(',') };
    results.endToEnd = await benchEndToEnd({ tasks, modules, ours, node, python, chromium, folder, ...chosen, ...how });
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
if (wanted('sizes')) results.sizes = await measureSizes(ours);
report('');

console.log(`\n${results.machine}, Node ${results.node}`);
const PLACES = [
  ['in Node', results.times, timesTable],
  ['from a start in Node', results.cold, coldTable],
  ['in Chromium, cross-origin isolated', results.isolated, timesTable],
  ['in Chromium, not isolated', results.plain, timesTable],
];
for (const [where, all, tableOf] of PLACES) {
  for (const quantized of [false, true]) {
    const some = all.filter((one) => Boolean(one.quantized) === quantized);
    if (some.length > 0)
      console.log(`\n### ${quantized ? 'Quantized networks' : 'Networks'} ${where}\n\n${tableOf(some)}`);
  }
}
if (results.sizes !== undefined) console.log(`\n${sizesTable(results.sizes)}`);
const { label, page, decode } = results.endToEnd ?? {};
if (label) console.log(`\n### From picture to label, in Node\n\n${endToEndTable(label, 'cpu')}`);
if (page) console.log(`\n### From picture to label, in Chromium\n\n${endToEndTable(page, 'wall')}`);
if (decode) console.log(`\n### From picture to pixels, in Node\n\n${endToEndTable(decode, 'cpu')}`);
if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
const groups = [...results.times, ...results.cold, ...results.isolated, ...results.plain].map(({ rows }) => rows);
const failed = [...groups, ...Object.values(results.endToEnd ?? {})].some((rows) =>
  rows.some(({ error }) => error !== undefined),
);
if (failed) process.exitCode = 1;
