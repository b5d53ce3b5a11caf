/** What the proofs of batches share: many small pictures, a broker of their own, processes that are started and killed. */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { load_image } from 'mobilenet-v2';
import { freePort } from './processes.mjs';

const ROOT = new URL('../../../', import.meta.url);
const PROGRAM = fileURLToPath(new URL('../dist/bin/batch.js', import.meta.url));
/** Different pictures; the others are copies. */
const OWN = 40;

/** A folder that goes when the process does. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-batch-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Fills a folder with pictures of 256 by 192. */
export async function makePictures(folder, count) {
  mkdirSync(folder, { recursive: true });
  const examples = await Promise.all(
    ['cat', 'dog', 'coffee'].map((name) => load_image(fileURLToPath(new URL(`examples/${name}.jpg`, ROOT)))),
  );
  for (let n = 0; n < Math.min(OWN, count); n++) {
    const small = await examples[n % examples.length].resize(256 + n, 192 + n);
    await small.save(join(folder, `${name(n)}.png`));
  }
  for (let n = OWN; n < count; n++) cpSync(join(folder, `${name(n % OWN)}.png`), join(folder, `${name(n)}.png`));
}

const name = (n) => String(n).padStart(6, '0');

export function batch(args, options = {}) {
  return spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
}

/** Runs it to its end. @returns {{ code: number, output: string, errors: string }} */
export async function finished(child) {
  let output = '';
  let errors = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    errors += chunk;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  return { code, output, errors };
}

/** A redis-server that writes down what it is told, so that it knows its jobs after it was killed. */
export async function startBroker(folder, port) {
  const args = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes'];
  const broker = spawn('redis-server', [...args, '--maxmemory-policy', 'noeviction'].map(String), { stdio: 'ignore' });
  await new Promise((resolve, reject) => broker.once('spawn', resolve).once('error', reject));
  return broker;
}

/** The records of all shards of a run, and the shards' bytes by name. */
export function readResults(out) {
  const shards = new Map(
    readdirSync(out)
      .filter((file) => file.startsWith('shard-'))
      .sort()
      .map((file) => [file, readFileSync(join(out, file), 'utf8')]),
  );
  const records = [...shards.values()].flatMap((text) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );
  return { shards, records };
}

export { freePort, sleep };
