/**
 * npm run bench -- [--only layers,models] [--network 1.0-224] [--networks a,b] [--engines wasm,js,reference]
 *                  [--threads 1,2] [--batch 1,8] [--rounds n] [--json file]
 *
 * Every convolution of a network in every engine, and whole networks. Times are the fastest of interleaved rounds; share
 * is that of the machine's SIMD multiply-adds, measured in the same rounds. Reads dist/, so build first.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

if (!existsSync(new URL('../dist/layers/kernels.js', import.meta.url))) {
  console.error('bench: dist/ is missing; run `npm run build` first');
  process.exit(1);
}
const { layerRows, totals } = await import('./layers.mjs');
const { makeNetwork, NETWORKS } = await import('./networks.mjs');
const { peakOf, peakRows } = await import('./peak.mjs');
const { interleave } = await import('./support.mjs');

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: 'layers,models' },
    network: { type: 'string', default: '1.0-224' },
    networks: { type: 'string', default: Object.keys(NETWORKS).join() },
    engines: { type: 'string', default: 'wasm,js,reference' },
    threads: { type: 'string', default: '1,2' },
    batch: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '8' },
    json: { type: 'string' },
  },
});
for (const name of [options.network, ...options.networks.split(',')]) {
  if (NETWORKS[name] === undefined) {
    console.error(`bench: no network ${name}; there are ${Object.keys(NETWORKS).join(', ')}`);
    process.exit(2);
  }
}
const engines = options.engines.split(',');
const rounds = Number(options.rounds);
const gmacs = ({ macs, min }) => macs / min / 1e6;
const strip = ({ run: _run, ...row }) => row;
const result = { node: process.version, v8: process.versions.v8, arch: process.arch };

/** A table with right-aligned numbers from the second column on. */
function print(header, rows) {
  const widths = header.map((title, c) => Math.max(title.length, ...rows.map((row) => row[c].length)));
  for (const row of [header, ...rows]) {
    console.log(row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c]))).join('  '));
  }
  console.log();
}

if (options.only.includes('layers')) {
  const peaks = peakRows();
  const rows = await layerRows(options.network, engines);
  await interleave([...peaks, ...rows], { rounds, budget: 2 });
  const peak = peakOf(peaks);
  const sums = totals(rows);
  console.log(`${options.network}, one thread, peak ${peak.toFixed(1)} GMAC/s`);
  print(
    ['kernel', 'shape', '×', 'MMAC', 'ms', 'GMAC/s', 'share'],
    [...rows, ...sums].map((row) => [
      row.kernel,
      row.shape,
      String(row.count),
      (row.macs / 1e6).toFixed(2),
      row.min.toFixed(3),
      gmacs(row).toFixed(2),
      `${((100 * gmacs(row)) / peak).toFixed(0)} %`,
    ]),
  );
  Object.assign(result, { peak, network: options.network, layers: rows.map(strip), sums });
}

if (options.only.includes('models')) {
  result.models = [];
  const table = [];
  for (const name of options.networks.split(',')) {
    const peaks = peakRows();
    const rows = [];
    for (const batch of options.batch.split(',').map(Number)) {
      for (const device of engines) {
        for (const threads of device === 'wasm' ? options.threads.split(',').map(Number) : [1]) {
          for (const memory of device === 'wasm' ? ['fast', 'low'] : ['fast']) {
            const { run, plan, model } = makeNetwork(name, { device, threads, memory }, batch);
            await model.warmup(model.plan([batch, 3, NETWORKS[name].size, NETWORKS[name].size]).dims);
            const { multiplyAdds: macs, arenaBytes } = plan();
            rows.push({ name, batch, device, threads, memory, macs, arenaBytes, run, model });
          }
        }
      }
    }
    await interleave([...peaks, ...rows], { rounds, budget: 40 });
    const peak = peakOf(peaks);
    for (const row of rows) {
      row.model.dispose();
      table.push([
        `${row.name} ${row.device}`,
        String(row.batch),
        String(row.threads),
        row.memory,
        (row.macs / 1e6).toFixed(0),
        (row.arenaBytes / 1e6).toFixed(2),
        row.min.toFixed(2),
        row.median.toFixed(2),
        gmacs(row).toFixed(2),
        `${((100 * gmacs(row)) / peak / row.threads).toFixed(0)} %`,
      ]);
      const { model: _model, ...figures } = strip(row);
      result.models.push({ ...figures, peak });
    }
  }
  print(['network', 'batch', 'threads', 'memory', 'MMAC', 'MB', 'ms', 'median', 'GMAC/s', 'share'], table);
}

if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
