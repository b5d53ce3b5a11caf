/**
 * The command line with arguments and files at random, in this process: it ends with 0, 1 or 2, says why in lines without
 * a stack trace, never calls an error internal, and its JSON is JSON. `FUZZ_CLI_RUNS` says how often, `FUZZ_SEED` repeats.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { jpeg } from '../helpers/jpeg-files.js';
import { randomNumbers } from '../helpers/random.js';
import { SEED } from '../helpers/seed.js';
import { saveTinyClassifier, saveTinySegmenter, stripes } from '../helpers/tiny.js';
import { Ledger, resident } from './ledger.js';
import { type Below, belowOf, mutateBytes } from './mutate.js';

const RUNS = Number(process.env.FUZZ_CLI_RUNS ?? 300);
const ledger = new Ledger('command-line', `FUZZ_SEED=${SEED} npm run fuzz`);

let base: string;
const { exitCode } = process;
const cwd = process.cwd();
beforeAll(async () => {
  vi.stubEnv('HF_HUB_OFFLINE', '1'); // a model's name at random is looked for nowhere
  base = mkdtempSync(`${tmpdir()}/mobilenet-v2-`);
  await saveTinyClassifier(`${base}/classifier`);
  await saveTinySegmenter(`${base}/segmenter`);
  process.chdir(base); // names at random must not mean real folders
  mkdirSync(`${base}/broken`);
  mkdirSync(`${base}/empty`);
  mkdirSync(`${base}/photos/sub`, { recursive: true });
  for (let n = 0; n < 3; n++) writeFileSync(`${base}/photos/${n}.png`, stripes(n, 40, 30));
  writeFileSync(`${base}/photos/sub/grey.jpg`, jpeg({ width: 20, height: 20 }));
  writeFileSync(`${base}/photos/sub/a[1] b.png`, stripes(7, 1, 60));
  writeFileSync(`${base}/photos/list`, `${base}/photos/0.png\n${base}/photos/sub\n${base}/photos/none.png\n`);
  for (const file of ['config.json', 'model.safetensors', 'preprocessor_config.json']) {
    writeFileSync(`${base}/broken/${file}`, '{');
  }
});
afterAll(() => {
  process.chdir(cwd);
  vi.unstubAllEnvs();
  rmSync(base, { recursive: true });
  process.exitCode = exitCode;
});
afterEach(() => void vi.restoreAllMocks());

/** Odd text, as it comes from scripts and clipboards. */
const ODD = [
  ...[
    '',
    ' ',
    '0',
    '1',
    '-1',
    '2',
    '1e9',
    '99999999999999999999',
    '0x10',
    '1.5',
    'NaN',
    'null',
    'true',
    './',
    'photos/..',
    '.',
  ],
  ...['~', '*', '**/*.png', '[', '{a,b}', '\n', '\u0000', 'ü😀', '--', '-x', '--json', 'a'.repeat(5000), '%s', '$HOME'],
  ...[
    'http://127.0.0.1:1/x.png',
    'file:///etc/passwd',
    'data:,x',
    'C:\\x',
    'con',
    '\u001b[31m',
    '__proto__',
    '1,2,3',
    '5x5',
  ],
];
const COMMANDS = ['classify', 'segment', 'features', 'similar', 'inspect', 'plan', 'completion', 'help', 'clasify', ''];
const OPTIONS = [
  ...[
    '--model',
    '--top-k',
    '--batch-size',
    '--device',
    '--threads',
    '--memory',
    '--out',
    '--opacity',
    '--hidden-state',
  ],
  ...[
    '--json',
    '--ndjson',
    '--quiet',
    '--debug',
    '--whole-image',
    '--no-pool',
    '--help',
    '--version',
    '--size',
    '--wrong',
  ],
  ...[
    '--hidden-states',
    '--output-stride',
    '--seed',
    '--format',
    '--threshold',
    '--files-from',
    '--limit',
    '--explain',
  ],
  ...['-m', '-k', '-f', '-q', '-v', '--center-crop', '--no-overlay', '--no-strict', '--allow-nonfinite', '--features'],
];

function someArguments(below: Below): string[] {
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];
  const path = () =>
    pick(
      [
        ...[
          'photos',
          'photos/0.png',
          'photos/*.png',
          'photos/sub',
          'photos/none.png',
          'mutant.png',
          'mutant.jpg',
          'empty',
        ],
        ...['classifier', 'segmenter', 'broken', 'mutant', 'classifier/config.json'],
      ].map((name) => `${base}/${name}`),
    );
  const sensible: Record<string, () => string> = {
    '--model': () => `${base}/${pick(['classifier', 'segmenter', 'broken', 'mutant', 'empty', 'none'])}`,
    '--out': () => `${base}/out/${pick(['f.npy', 'f.safetensors', 'masks', 'none/f.npy', 'f.txt'])}`,
    '--device': () => pick(['auto', 'wasm', 'js']),
    '--threads': () => pick(['1', '2']),
    '--memory': () => pick(['low', 'fast']),
    '--size': () => pick(['32', '32x48', '1x1']),
    '-m': () => `${base}/classifier`,
    '--format': () => pick(['table', 'lines', 'csv', 'json', 'ndjson']),
    '--threshold': () => pick(['0', '0.4', '1']),
    '--files-from': () => `${base}/${pick(['photos/list', 'none'])}`,
    '--limit': () => pick(['image-pixels=1000', 'tensors=3', 'json-bytes=1M']),
    '--features': () => `${base}/${pick(['none.npy', 'classifier/model.safetensors'])}`,
    '--explain': () => `${base}/out/${pick(['why.png', 'why', 'why.gif'])}`,
  };
  const args = [below(10) === 0 ? pick(ODD) : pick(COMMANDS)];
  for (let n = below(4); n > 0; n--) args.push(below(4) === 0 ? pick(ODD) : path());
  // Without one the large model that ships would be loaded, which takes most of the time.
  if (args[0] === 'segment' || below(20) > 0) args.push('--model', sensible['--model']());
  for (let n = below(5); n > 0; n--) {
    const option = pick(OPTIONS);
    args.push(option);
    if (below(3) > 0) args.push(below(3) === 0 || !(option in sensible) ? pick(ODD) : sensible[option]());
  }
  // A lone dash waits for standard input, and nothing here may be written but below `out`.
  const writes = (arg: string | undefined) => arg === '--out' || arg === '--explain';
  const kept = args.filter((arg, at) => arg !== '-' && (!writes(args[at - 1]) || arg.startsWith(`${base}/out`)));
  return args[0] === 'segment' && !kept.includes('--out') ? [...kept, '--out', `${base}/out/masks`] : kept;
}

/** Whether a flag is one for sure: after `--` it is a file's name, after another option it may be that one's value. */
function asks(args: readonly string[], flag: string): boolean {
  const at = args.indexOf(flag);
  const end = args.indexOf('--');
  return at >= 0 && (end < 0 || at < end) && !args[at - 1]?.startsWith('-');
}

it('arguments and files at random', { timeout: 3600_000 }, async () => {
  console.log(`command line: FUZZ_SEED=${SEED} FUZZ_CLI_RUNS=${RUNS}`);
  const below = belowOf(randomNumbers(SEED));
  let stdout = '';
  let stderr = '';
  const catchInto = (add: (text: string) => void) =>
    ((text: string | Uint8Array, ...rest: unknown[]) => {
      add(String(text));
      const done = rest.at(-1);
      if (typeof done === 'function') done();
      return true;
    }) as typeof process.stdout.write;
  vi.spyOn(process.stdout, 'write').mockImplementation(catchInto((text) => (stdout += text)));
  vi.spyOn(process.stderr, 'write').mockImplementation(catchInto((text) => (stderr += text)));
  const before = readdirSync(base);
  const codes = [0, 0, 0];
  let worstMs = 0;
  let rssMiB = 0;
  for (let run = 0; run < RUNS; run++) {
    rmSync(`${base}/out`, { recursive: true, force: true });
    rmSync(`${base}/mutant`, { recursive: true, force: true });
    for (const made of ['out', 'mutant']) mkdirSync(`${base}/${made}`);
    writeFileSync(`${base}/mutant.png`, mutateBytes(stripes(1), below));
    writeFileSync(`${base}/mutant.jpg`, mutateBytes(jpeg({ width: 20, height: 20 }), below));
    writeFileSync(`${base}/mutant/config.json`, mutateBytes(Buffer.from('{"model_type":"mobilenet_v2"}'), below));
    const args = someArguments(below);
    stdout = '';
    stderr = '';
    const begin = performance.now();
    process.exitCode = undefined;
    try {
      await main(args);
    } catch (error) {
      throw new Error(`seed ${SEED}, run ${run}: ${JSON.stringify(args)} threw ${error}`, { cause: error });
    }
    const ms = performance.now() - begin;
    worstMs = Math.max(worstMs, ms);
    for (const signal of ['SIGINT', 'SIGTERM']) process.removeAllListeners(signal);
    for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error');
    const fail = (why: string): never => {
      throw new Error(
        `seed ${SEED}, run ${run}: ${JSON.stringify(args)}: ${why}\n${stdout.slice(0, 500)}\n${stderr.slice(0, 500)}`,
      );
    };
    const code = Number(process.exitCode ?? 0);
    if (![0, 1, 2].includes(code)) fail(`exit code ${code}`);
    codes[code]++;
    if (/internal error|INTERNAL/.test(stdout + stderr)) fail('an internal error');
    if (/\n +at .+:\d+/.test(stderr) && !args.includes('--debug')) fail('a stack trace');
    if (code !== 0 && stderr === '' && stdout === '') fail('not a word');
    const help = args.some((arg) => ['--help', '-h', '--version', '-V', 'help'].includes(arg));
    if (code !== 2 && !help && stdout !== '') {
      if (asks(args, '--json')) JSON.parse(stdout);
      else if (asks(args, '--ndjson')) for (const line of stdout.trimEnd().split('\n')) JSON.parse(line);
    }
    if (ms > 10_000) fail(`${ms} ms`);
    rssMiB = Math.max(rssMiB, resident());
    const stray = readdirSync(`${base}/out`, { recursive: true }).filter((name) => String(name).includes('.tmp'));
    if (stray.length > 0) fail(`left ${stray}`);
  }
  rmSync(`${base}/out`, { recursive: true, force: true });
  const made = readdirSync(base).filter((name) => !before.includes(name));
  expect(made.filter((name) => !name.startsWith('mutant'))).toEqual([]);
  for (const count of codes) expect(count).toBeGreaterThan(0);
  const note = `exit code 0: ${codes[0]}, 1: ${codes[1]}, 2: ${codes[2]}`;
  ledger.add({ what: 'Command line', tried: RUNS, accepted: codes[0], worstMs, rssMiB, seed: SEED, note });
});
