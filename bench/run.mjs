/** npm run bench -- [options]; README.md says what they are, how it measures and how to read what comes out. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

if (!existsSync(new URL('../dist/layers/kernels.js', import.meta.url))) {
  console.error('bench: dist/ is missing; run `npm run build` first');
  process.exit(1);
}
const { ablationRows } = await import('./ablation.mjs');
const { codecRows, openChains, PICTURES } = await import('./codecs.mjs');
const { changedTable, clockRemark, compare, RULE } = await import('./compare.mjs');
const { IMPLEMENTATIONS } = await import('./implementations.mjs');
const { layerRows, sumsByOperation, totals } = await import('./layers.mjs');
const { modelRows } = await import('./models.mjs');
const { NETWORKS } = await import('./networks.mjs');
const { reportPage } = await import('./report/page.mjs');
const { elementsOf } = await import('./quantized.mjs');
const { openRoofs } = await import('./roofs.mjs');
const { interleave } = await import('./support.mjs');
const { ablationTable, codecsTable, layersTable, modelsTable, print } = await import('./tables.mjs');
const { trainingRows } = await import('./training.mjs');

const DEFAULTS = {
  only: 'codecs,layers,training,models,ablation',
  layers: '1.0-224,deeplab-0.5-257-os8',
  training: '1.0-224',
  networks: Object.keys(NETWORKS).join(),
  ablation: '1.0-224',
  batch: '1,8',
  threads: '1,2',
  implementations: IMPLEMENTATIONS.map(({ id }) => id).join(),
  rounds: '8',
};
const QUICK = {
  layers: '1.0-224',
  training: '0.35-96',
  networks: '0.35-96,1.0-224,deeplab-0.5-257-os8',
  batch: '1',
  rounds: '4',
};

const { values: given } = parseArgs({
  options: {
    ...Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, { type: 'string' }])),
    quick: { type: 'boolean' },
    json: { type: 'string' },
    html: { type: 'string' },
    compare: { type: 'string' },
  },
});
const options = { ...DEFAULTS, ...(given.quick ? QUICK : {}), ...given };
const list = (name, known) => {
  const items = options[name].split(',').filter((item) => item !== '');
  for (const item of items) {
    if (known.includes(item)) continue;
    console.error(`bench: --${name}: there is no ${item}; there are ${known.join(', ')}`);
    process.exit(2);
  }
  return items;
};
const numbers = (name) => {
  const items = options[name].split(',').map(Number);
  if (items.every((item) => Number.isInteger(item) && item >= 1)) return items;
  console.error(`bench: --${name}: expected whole numbers from 1 on, got ${options[name]}`);
  return process.exit(2);
};
const names = Object.keys(NETWORKS);
const parts = list('only', DEFAULTS.only.split(','));
const [layers, training, networks, ablation] = ['layers', 'training', 'networks', 'ablation'].map((name) =>
  list(name, names),
);
const chosen = list(
  'implementations',
  IMPLEMENTATIONS.map(({ id }) => id),
);
const implementations = IMPLEMENTATIONS.filter(({ id }) => chosen.includes(id));
const [batches, threads, [rounds]] = ['batch', 'threads', 'rounds'].map(numbers);
const before = options.compare === undefined ? null : JSON.parse(readFileSync(options.compare, 'utf8'));

/** What is measured together, in rounds of its own. */
const GROUPS = [
  ...Object.keys(PICTURES).map((network) => {
    return { part: 'codecs', network, batch: 1, budget: 20, make: () => codecRows(network) };
  }),
  ...layers.map((network) => {
    return { part: 'layers', network, batch: 1, budget: 2, make: () => layerRows(network, implementations, threads) };
  }),
  ...training.map((network) => {
    return { part: 'training', network, batch: 1, budget: 2, make: () => trainingRows(network, implementations) };
  }),
  ...ablation.map((network) => ({
    part: 'ablation',
    network,
    batch: 1,
    budget: 20,
    make: () => ablationRows(network),
  })),
  ...networks.flatMap((network) =>
    batches.map((batch) => {
      return {
        part: 'models',
        network,
        batch,
        budget: 20,
        make: () => modelRows(network, batch, implementations, threads),
      };
    }),
  ),
].filter(({ part }) => parts.includes(part));

const started = performance.now();
let lastTitle;
function report(title, detail = '') {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${title}${detail && `, ${detail}`}`);
  else if (title !== lastTitle) process.stderr.write(`${title}\n`);
  lastTitle = title;
}

const result = {
  node: process.version,
  v8: process.versions.v8,
  arch: process.arch,
  machine: `${cpus().length} × ${cpus()[0].model.trim()}`,
  date: new Date().toISOString(),
  groups: [],
  rows: [],
};
const roofs = await openRoofs([...new Set([1, 2, ...threads])]);
const chains = openChains();
for (const [index, { part, network, batch, budget, make }] of GROUPS.entries()) {
  const title = `${index + 1} of ${GROUPS.length}: ${part}, ${network}${batch > 1 ? `, batch ${batch}` : ''}`;
  report(title);
  const made = await make();
  const elements = part === 'codecs' ? 'f32' : elementsOf(network);
  const around = [...roofs.rowsFor(elements), ...(part === 'codecs' ? chains.rows : [])];
  await interleave([...around, ...made.rows], { rounds, budget, report: (detail) => report(title, detail) });
  made.close();
  result.groups.push({
    part,
    network,
    batch,
    ...roofs.measured(elements),
    ...(part === 'codecs' && chains.measured()),
  });
  result.rows.push(...made.rows.map(({ run: _run, model: _model, ...row }) => row));
}
roofs.close();
report(`${Math.round((performance.now() - started) / 1000)} s\n`);

console.log(`${result.machine}, Node ${result.node}`);
for (const group of result.groups) {
  const { part, network, batch, peak, bandwidth } = group;
  const rows = result.rows.filter((row) => row.part === part && row.network === network && row.batch === batch);
  const flow = Object.entries(bandwidth).map(([count, rate]) => `${rate.toFixed(1)} GB/s by ${count}`);
  console.log(
    `\n${part}, ${network}, batch ${batch}: peak ${peak.toFixed(1)} GMAC/s a thread, memory ${flow.join(', ')} threads\n`,
  );
  if (part === 'codecs') print(codecsTable(rows, group));
  if (part === 'layers') print(layersTable(rows, totals(rows), group));
  if (part === 'training') print(layersTable(rows, sumsByOperation(rows), group));
  if (part === 'models') print(modelsTable(rows, group));
  if (part === 'ablation') print(ablationTable(rows, group));
}

let comparison = null;
if (before !== null) {
  comparison = compare(before, result);
  const { rows, missing, added } = comparison;
  const count = (verdict) => rows.filter((row) => row.verdict === verdict).length;
  const counts = ['slower', 'faster', 'same'].map((verdict) => `${count(verdict)} ${verdict}`).join(', ');
  console.log(
    `\nAgainst ${options.compare}: ${counts}; ${missing.length} rows are gone, ${added.length} are new. ${RULE}`,
  );
  if (clockRemark(comparison) !== null) console.log(clockRemark(comparison));
  console.log();
  print(changedTable(comparison));
}
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result)}\n`);
if (options.html !== undefined) writeFileSync(options.html, reportPage(result, comparison));
