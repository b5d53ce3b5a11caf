/**
 * Training beside PyTorch: steps of fine-tuning MobileNetV2 1.0 at 224 (forward, backward, clipping, AdamW) with this package and
 * with transformers on PyTorch, on the same processor, one after the other, several times; the best of each counts.
 *
 *     npm run bench:training                          makes a Python environment of its own (bench/training/.venv, 1 GB), once
 *     npm run bench:training -- --python /path/to/python
 *
 * CPU milliseconds are the process's own, so that other programs disturb one thread's rows little; with two threads wall time counts.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openRoofs } from '../roofs.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const { values: options } = parseArgs({
  options: {
    python: { type: 'string' },
    threads: { type: 'string', default: '1,2' },
    norms: { type: 'string', default: 'frozen,train,head' },
    size: { type: 'string', default: '224' },
    batch: { type: 'string', default: '16' },
    steps: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    checkpoint: {
      type: 'string',
      default: fileURLToPath(new URL('../../weights/mobilenet_v2_1.0_224', import.meta.url)),
    },
    json: { type: 'string' },
  },
});
const numbers = (list) => list.split(',').map(Number);

const python = options.python ?? environment();
const [size, batch, steps, rounds] = [options.size, options.batch, options.steps, options.rounds].map(Number);

const rows = [];
for (const norms of options.norms.split(',')) {
  for (const threads of norms === 'head' ? [1] : numbers(options.threads)) {
    // Steps of the head are so short that engines are still compiling during the first of them.
    const job = { checkpoint: options.checkpoint, size, batch, threads, norms, steps: norms === 'head' ? 200 : steps };
    const row = { norms, threads, ours: undefined, pytorch: undefined };
    for (let round = 0; round < rounds; round++) {
      for (const [engine, command] of [
        ['ours', [process.execPath, here('ours.mjs')]],
        ['pytorch', [python, here('pytorch.py')]],
      ]) {
        const result = await measured(command, job);
        const best = row[engine];
        row[engine] = best === undefined || timeOf(result, threads) < timeOf(best, threads) ? result : best;
      }
    }
    rows.push(row);
    show(row);
  }
}
const peak = await peakOf();
// 0.30 G multiply-adds forward at 224, and twice that back: by the input, and by the weights.
const work = (3 * 0.3e9 * size * size) / (224 * 224);
console.log(`\nmultiply-adds of SIMD on one thread: at most ${peak.toFixed(1)} G/s`);
for (const { norms, threads, ours } of rows.filter(({ norms }) => norms !== 'head')) {
  const share = work / timeOf(ours, threads) / 1e6 / (peak * threads);
  console.log(`${norms} norms, ${threads} threads: ${(100 * share).toFixed(0)} % of that`);
}
if (options.json !== undefined) {
  const { writeFileSync } = await import('node:fs');
  writeFileSync(options.json, `${JSON.stringify({ node: process.version, size, batch, peak, rows }, null, 1)}\n`);
}

function timeOf(result, threads) {
  return threads === 1 ? result.cpu : result.wall;
}

function show({ norms, threads, ours, pytorch }) {
  const [a, b] = [ours, pytorch].map((result) => timeOf(result, threads));
  const faster = `${(b / a).toFixed(2)} x as fast`;
  if (norms === 'head') {
    const [step, theirs] = [a, b].map((time) => (time * batch).toFixed(3));
    console.log(`head on features that are there: ${step} ms a step, PyTorch ${theirs}: ${faster}`);
    return;
  }
  const [memory, theirs] = [ours, pytorch].map((result) => (result.peak - result.base) / 2 ** 20);
  const losses = (result) => result.losses.map((loss) => loss.toFixed(3)).join(' ');
  console.log(
    `${norms} norms, ${threads} thread${threads > 1 ? 's' : ''}: ${a.toFixed(1)} ms a picture, PyTorch ${pytorch.version} ${b.toFixed(1)}: ${faster}; ` +
      `memory ${memory.toFixed(0)} MiB, PyTorch ${theirs.toFixed(0)}: ${(memory / theirs).toFixed(2)}; ` +
      `losses ${losses(ours)}, PyTorch ${losses(pytorch)}`,
  );
}

/** A process of its own: what it prints last is its measurement. */
function measured([command, ...args], job) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args, JSON.stringify(job)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, HF_HUB_DISABLE_PROGRESS_BARS: '1', TRANSFORMERS_VERBOSITY: 'error' },
    });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    child.on('close', (code) =>
      code === 0
        ? resolve(JSON.parse(text.trim().split('\n').at(-1)))
        : reject(new Error(`${command} ended with ${code}`)),
    );
  });
}

/** PyTorch in a virtual environment beside this file. */
function environment() {
  const binary = here('.venv/bin/python');
  if (!existsSync(binary)) {
    console.log('making bench/training/.venv');
    execFileSync('python3', ['-m', 'venv', here('.venv')], { stdio: 'inherit' });
    execFileSync(binary, ['-m', 'pip', 'install', '-q', '-r', here('requirements.txt')], { stdio: 'inherit' });
  }
  return binary;
}

async function peakOf() {
  const roofs = await openRoofs([1]);
  for (const row of roofs.rowsFor('f32')) {
    row.min = Infinity;
    for (let turn = 0; turn < 5; turn++) {
      const begin = performance.now();
      await row.run();
      row.min = Math.min(row.min, performance.now() - begin);
    }
  }
  const { peak } = roofs.measured('f32');
  roofs.close?.();
  return peak;
}
