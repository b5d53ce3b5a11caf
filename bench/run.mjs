/**
 * npm run bench [-- --engines js,reference --size 224 --runs 15 --json file]
 *
 * Every convolution of MobileNetV2 1.0, a layer at a time, in every engine. Reads dist/, so build first.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

if (!existsSync(new URL('../dist/layers/kernels.js', import.meta.url))) {
  console.error('bench: dist/ is missing; run `npm run build` first');
  process.exit(1);
}
const { benchLayers, totals } = await import('./layers.mjs');
const { networkSpecs } = await import('./shapes.mjs');

const { values: options } = parseArgs({
  options: {
    engines: { type: 'string', default: 'js,reference' },
    size: { type: 'string', default: '224' },
    runs: { type: 'string', default: '15' },
    json: { type: 'string' },
  },
});

const cells = (kernel, shape, count, mmacs, ms, gmacs) =>
  `${kernel.padEnd(36)} ${shape.padEnd(16)} ${count.padStart(3)} ${mmacs.padStart(8)} ${ms.padStart(9)} ${gmacs.padStart(7)}`;
const line = ({ kernel, shape = '', count, macs, ms, gmacs }) =>
  cells(kernel, shape, String(count ?? ''), (macs / 1e6).toFixed(2), ms.toFixed(3), gmacs.toFixed(2));

console.log(cells('kernel', 'shape', '×', 'MMAC', 'ms', 'GMAC/s'));
const layers = benchLayers(networkSpecs(Number(options.size)), {
  engines: options.engines.split(','),
  runs: Number(options.runs),
  atLeast: 30,
  report: (row) => console.log(line(row)),
});
const sums = totals(layers);
console.log(`\n${sums.map(line).join('\n')}`);

if (options.json !== undefined) {
  const machine = { node: process.version, v8: process.versions.v8, arch: process.arch };
  writeFileSync(options.json, `${JSON.stringify({ machine, size: Number(options.size), layers, sums }, null, 2)}\n`);
}
