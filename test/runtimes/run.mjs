/**
 * Runs the scripts beside this file one after another and prints what each runtime said.
 *
 *     node test/runtimes/run.mjs                 all of them
 *     node test/runtimes/run.mjs deno bun        some of them
 *
 * Needs a build (`npm run build`) and the registry. Ends with "N passed, N failed, N skipped", and exit code 1 where one failed.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pack } from './support.mjs';

/** Names, and the script and its arguments. */
const RUNTIMES = {
  node: ['node.mjs'],
  node24: ['node.mjs', '24'],
  node26: ['node.mjs', '26'],
  'no-eval': ['no-eval.mjs'],
  typescript: ['typescript.mjs'],
  deno: ['deno.mjs'],
  bun: ['bun.mjs'],
  workerd: ['workerd.mjs'],
  esbuild: ['bundled.mjs', 'esbuild'],
  webpack: ['bundled.mjs', 'webpack'],
  extension: ['extension.mjs'],
  'service-worker': ['service-worker.mjs'],
  vite: ['vite.mjs'],
  next: ['next.mjs', 'turbopack'],
  'next-webpack': ['next.mjs', 'webpack'],
  'esbuild-node': ['node-bundle.mjs', 'esbuild'],
  'webpack-node': ['node-bundle.mjs', 'webpack'],
  lambda: ['node-bundle.mjs', 'lambda'],
};

const names = process.argv.slice(2);
const unknown = names.find((name) => !Object.hasOwn(RUNTIMES, name));
if (unknown !== undefined) {
  console.error(`${unknown}: expected some of ${Object.keys(RUNTIMES).join(', ')}`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
const env = { ...process.env, RUNTIMES_TARBALL: pack(folder), RUNTIMES_JSON: '1' };

/** Everything a script prints; what it says of errors goes straight on. */
function run([script, ...words]) {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [file, ...words], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.on('data', (text) => (stdout += text));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout: stdout.trim() })));
}

const cells = ({ runtime, version, form, label, ms, bytes, seconds }) => [
  runtime,
  version,
  form,
  label,
  ms?.toFixed(0) ?? '',
  bytes ?? '',
  seconds.toFixed(1),
];

const counts = { passed: 0, failed: 0, skipped: 0 };
console.log('| runtime | version | form | label | ms to it | bytes | s in all |\n|---|---|---|---|---:|---:|---:|');
try {
  for (const name of names.length > 0 ? names : Object.keys(RUNTIMES)) {
    const { code, stdout } = await run(RUNTIMES[name]);
    const line = stdout.split('\n').at(-1);
    const outcome = line.startsWith('{') ? JSON.parse(line) : {};
    if (code !== 0) {
      counts.failed++;
      console.log(`| ${name} | failed: ${outcome.label ?? 'no label'} | | | | | |`);
    } else if (outcome.skipped) {
      counts.skipped++;
      console.log(`| ${name} | skipped: ${outcome.skipped} | | | | | |`);
    } else {
      counts.passed++;
      console.log(`| ${cells(outcome).join(' | ')} |`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed > 0 ? 1 : 0;
