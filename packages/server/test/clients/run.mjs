/**
 * Starts the built server and lets the clients that people have speak to it, one script beside this file after another.
 *
 *     node packages/server/test/clients/run.mjs                   all of them
 *     node packages/server/test/clients/run.mjs curl kserve_v1    some of them
 *
 * Needs a build, of the library and of packages/server. A script learns from SERVER (http://…), EXAMPLES and
 * EXPECTED where things are. It passes with exit code 0, is skipped with 77 and its last line as the reason, and fails with
 * any other. What they must be told is what Python's transformers says (expected/make.py).
 * Ends with "N passed, N failed, N skipped", and exit code 1 where one failed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../bench/processes.mjs';
import { analyzer, python } from './environment.mjs';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const HERE = path('.');
const ROOT = path('../../../..');
const RUNNERS = { '.py': undefined, '.sh': 'bash', '.mjs': process.execPath };
const NOT_CLIENTS = ['run.mjs', 'environment.mjs', 'common.mjs', 'common.py'];
const SKIPPED = 77;
/** A client that waits for ever is one that fails. */
const LONGEST = 300_000;

const ending = (name) => name.slice(name.lastIndexOf('.'));
const all = readdirSync(HERE).filter((name) => Object.hasOwn(RUNNERS, ending(name)) && !NOT_CLIENTS.includes(name));
const asked = process.argv.slice(2);
const bare = (name) => name.slice(0, -ending(name).length);
const unknown = asked.find((name) => !all.some((file) => bare(file) === name));
if (unknown !== undefined) {
  console.error(`${unknown}: expected some of ${all.map(bare).join(', ')}`);
  process.exit(2);
}
const scripts = asked.length > 0 ? all.filter((file) => asked.includes(bare(file))) : all;

/** A child with all that it prints; killed where it takes too long. */
function start(command, words, env) {
  const child = spawn(command, words, { env: { ...process.env, ...env }, cwd: HERE });
  const printed = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (printed.text += text));
  return { child, printed, closed: once(child, 'close') };
}

async function startServer() {
  const port = await freePort();
  const grpc = await freePort();
  const model = (name, folder) => ['--model', `${name}=${join(ROOT, 'weights', folder)}`];
  const server = start(process.execPath, [
    path('../../dist/bin/serve.js'),
    ...[
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--grpc-port',
      String(grpc),
      '--workers',
      '1',
      '--deadline',
      '60',
    ],
    ...model('mobilenet_v2', 'mobilenet_v2_1.0_224'),
    ...model('deeplab', 'deeplabv3_mobilenet_v2_0.5_513'),
  ]);
  const address = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const ready = await fetch(`${address}/readyz`).catch(() => undefined);
    if (ready?.ok) break;
    if (server.child.exitCode !== null || tries > 300)
      throw new Error(`the server does not start:\n${server.printed.text}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { ...server, env: { SERVER: address, GRPC: `127.0.0.1:${grpc}` } };
}

async function runClient(file, interpreter, env) {
  const began = performance.now();
  const { child, printed, closed } = start(interpreter, [join(HERE, file)], env);
  const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST);
  const [code] = await closed;
  clearTimeout(timer);
  return { code, text: printed.text.trim(), seconds: ((performance.now() - began) / 1000).toFixed(1) };
}

const counts = { passed: 0, failed: 0, skipped: 0 };
const found = scripts.some((file) => ending(file) === '.py' || bare(file) === 'perf_analyzer') ? python() : {};
const tool = found.python && scripts.some((file) => bare(file) === 'perf_analyzer') ? analyzer() : {};
const server = await startServer();
try {
  const env = {
    ...server.env,
    ...tool,
    EXAMPLES: join(ROOT, 'examples'),
    EXPECTED: path('expected'),
    PYTHONPATH: HERE,
  };
  for (const file of scripts) {
    const interpreter = RUNNERS[ending(file)] ?? found.python;
    if (interpreter === undefined) {
      counts.skipped++;
      console.log(`skipped ${bare(file)}: ${found.skipped}`);
      continue;
    }
    const { code, text, seconds } = await runClient(file, interpreter, env);
    const word = code === 0 ? 'passed' : code === SKIPPED ? 'skipped' : 'failed';
    counts[word]++;
    const last = text.split('\n').at(-1);
    console.log(`${word} ${bare(file)} (${seconds} s): ${word === 'failed' ? `exit code ${code}\n${text}` : last}`);
  }
} finally {
  server.child.kill('SIGTERM');
  const [code] = await server.closed;
  const faults = server.printed.text.split('\n').filter((line) => /"level":(50|60)/.test(line));
  if (code !== 0 || faults.length > 0) {
    counts.failed++;
    console.log(
      `failed server: exit code ${code}\n${faults.slice(0, 20).join('\n') || server.printed.text.slice(-4000)}`,
    );
  }
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 ? 1 : 0);
