/** npm run bench:bundles -- [options]; ../README.md says what it shows. */
import { execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pack } from '../../test/runtimes/support.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** A build may be so many times slower than the modules. */
const MOST = 1.1;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    node: { type: 'string', multiple: true, default: [process.execPath] },
    devices: { type: 'string', default: 'js,wasm' },
    network: { type: 'string', default: '1.0-224' },
    rounds: { type: 'string', default: '12' },
    budget: { type: 'string', default: '400' },
    json: { type: 'string' },
  },
});
const devices = options.devices.split(',');
const report = (line) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${line}`);

/** Installs the package as npm would bring it, beside the bundlers. */
function installPackage() {
  const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
  try {
    const words = ['install', '--no-save', '--no-audit', '--no-fund', '--prefer-offline', pack(folder)];
    execFileSync('npm', words, { cwd: HERE, stdio: ['ignore', 'ignore', 'inherit'] });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A process that has loaded a module. */
class Child {
  constructor(node, url, detached) {
    this.process = fork(join(HERE, 'child.mjs'), [url, detached ? 'detached' : ''], { execPath: node, silent: true });
    this.said = '';
    this.process.stderr.on('data', (text) => (this.said += text));
  }

  turn(options) {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error(this.said.match(/^\w*Error.*/m)?.[0] ?? 'the process ended'));
      this.process.once('exit', ended);
      this.process.once('message', (answer) => {
        this.process.off('exit', ended);
        resolve(answer);
      });
      this.process.send(options, (error) => error && ended());
    });
  }

  close() {
    this.process.kill();
  }
}

/** A server that Next.js has built. */
class Server {
  static async start(node, folder, next) {
    const port = await new Promise((resolve) => {
      const free = createServer().listen(0, '127.0.0.1', () => {
        const { port } = free.address();
        free.close(() => resolve(port));
      });
    });
    const words = [next, 'start', '--hostname', '127.0.0.1', '--port', String(port)];
    const server = new Server();
    server.process = spawn(node, words, {
      cwd: folder,
      stdio: 'ignore',
      env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' },
    });
    server.url = `http://127.0.0.1:${port}/turn`;
    return server;
  }

  async turn(options) {
    for (let tries = 0; ; tries++) {
      try {
        const response = await fetch(this.url, { method: 'POST', body: JSON.stringify(options) });
        return await response.json();
      } catch (error) {
        if (tries > 100 || this.process.exitCode !== null) throw error; // it takes a moment to start
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  close() {
    this.process.kill();
  }
}

installPackage();
const { BUILDS, buildAs, NEXT, versionOf } = await import('./build.mjs');
const baselines = ['modules', 'modules-detached'];
const ids = [...new Set([...baselines, ...(options.only?.split(',') ?? Object.keys(BUILDS))])];
for (const id of ids) {
  if (BUILDS[id] !== undefined) continue;
  console.error(`bench:bundles: --only: there is no ${id}; there are ${Object.keys(BUILDS).join(', ')}`);
  process.exit(2);
}
const dist = join(HERE, 'dist');
rmSync(dist, { recursive: true, force: true });
const builds = [];
for (const id of ids) {
  report(`building: ${BUILDS[id].title}`);
  try {
    builds.push({ id, where: await buildAs(id, join(dist, id)) });
  } catch (error) {
    builds.push({ id, error: error.message });
  }
}

/**
 * All builds in one Node, turn by turn; the fastest run of each device counts. Each device has a process of its own: memory
 * that the wasm engine grows detaches its buffer, which child.mjs tells of.
 */
async function measure(node) {
  const rows = builds.map(({ id, where, error }) => ({
    id,
    title: BUILDS[id].title,
    where,
    error,
    ms: {},
    places: {},
  }));
  try {
    for (const row of rows.filter(({ error }) => error === undefined)) {
      const { server, detached } = BUILDS[row.id];
      const start = () => (server ? Server.start(node, row.where, NEXT) : new Child(node, row.where, detached));
      for (const device of devices) row.places[device] = await start();
    }
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const row of rows) {
        for (const device of row.error === undefined ? devices : []) {
          report(`${row.title}, ${device}: round ${round + 1} of ${options.rounds}`);
          const { ms, error } = await row.places[device]
            .turn({ network: options.network, device, budget: Number(options.budget) })
            .catch((error) => ({ error: error.message }));
          if (error !== undefined) row.error = error;
          else row.ms[device] = Math.min(row.ms[device] ?? Infinity, ms);
        }
      }
    }
  } finally {
    for (const { places } of rows) for (const place of Object.values(places)) place.close();
  }
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  return { node: version, rows: rows.map(({ id, title, error, ms }) => ({ id, title, error, ms })) };
}

const results = [];
for (const node of options.node) results.push(await measure(node));
report('');

const bundlers = ['esbuild', 'rollup', 'vite', 'webpack', 'next'].map((name) => `${name} ${versionOf(name)}`);
console.log(`\n${cpus().length} × ${cpus()[0].model.trim()}; ${options.network}, one thread; ${bundlers.join(', ')}\n`);
const columns = results.flatMap(({ node }) => devices.map((device) => `${device}, Node ${node}`));
console.log(`| ms, and times the modules | ${columns.join(' | ')} |\n| --- |${' --: |'.repeat(columns.length)}`);
for (const [i, { title }] of results[0].rows.entries()) {
  const cells = results.flatMap(({ rows }) =>
    devices.map((device) => {
      const { error, ms } = rows[i];
      if (error !== undefined) return '–';
      const baseline = rows.find(({ id }) => id === (BUILDS[rows[i].id].against ?? 'modules'));
      const ratio = ms[device] / baseline.ms[device];
      const { detached } = BUILDS[rows[i].id]; // a baseline
      if (device === 'js' && ratio > MOST && !detached) process.exitCode = 1;
      return `${ms[device].toFixed(1)}, ${ratio.toFixed(2)}`;
    }),
  );
  console.log(`| ${title} | ${cells.join(' | ')} |`);
}
for (const { node, rows } of results) {
  for (const { title, error } of rows) {
    if (error === undefined) continue;
    console.log(`\n${title}, Node ${node}: ${error.slice(0, 400)}`);
    process.exitCode = 1;
  }
}
if (process.exitCode === 1)
  console.log(`\nA build failed, or its js engine takes more than ${MOST} times as long as the modules.`);
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results)}\n`);
