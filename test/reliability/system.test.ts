/** What a system does to a program: calls that fail, signals at any moment, kills with a number that is always the same. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hf_hub_download } from '../../src/entries/hub-node.js';
import { MobileNetError } from '../../src/entries/main-node.js';
import { openLocalFolder, readPicture, writeFolder } from '../../src/platforms/node/files.js';
import { CLI, cli, ROOT, temporaryFolder } from '../helpers/cli.js';
import { randomNumbers } from '../helpers/random.js';
import { SEED } from '../helpers/seed.js';
import { saveTinyClassifier, stripes } from '../helpers/tiny.js';
import { files, filesBelow, leftovers, REPO, testHub, WEIGHTS } from '../hub/helpers.js';
import { CALLS, ERRORS, type Fault, withFault } from './faults.js';
import { Ledger } from './ledger.js';

const ledger = new Ledger('system', 'SIGNALS=52 npx vitest run test/reliability/system.test.ts');

const random = randomNumbers(SEED);
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];
const anyFault = (): Fault => ({
  call: pick(CALLS),
  code: pick(ERRORS),
  nth: 1 + Math.floor(random() * 6),
  lasting: random() < 0.3,
});

/** What came of it: undefined where all went well. */
async function errorOf(work: () => Promise<unknown>): Promise<MobileNetError | undefined> {
  const error = await work().then(
    () => undefined,
    (cause) => cause,
  );
  if (error !== undefined) expect(error).toBeInstanceOf(MobileNetError);
  return error;
}

const NAMES = ['config.json', 'model.safetensors', 'preprocessor_config.json'];
const model = (content: string) => new Map(NAMES.map((name) => [name, Buffer.from(`${content} ${name}`)]));

describe('a call of the system that fails', () => {
  it('leaves the old model or the new one, and never a part of each', async () => {
    const folder = temporaryFolder();
    const runs = 600;
    let struck = 0;
    let refused = 0;
    for (let n = 0; n < runs; n++) {
      // Each strikes: three files are opened, written, flushed and renamed.
      const fault = { ...anyFault(), call: pick(['open', 'write', 'sync', 'rename'] as const), nth: 1 + (n % 3) };
      // Some files of the old model may be missing.
      const old = new Map([...model(`old ${n}`)].filter(() => random() < 0.8));
      for (const name of readdirSync(folder)) rmSync(join(folder, name));
      for (const [name, bytes] of old) writeFileSync(join(folder, name), bytes);
      let error: MobileNetError | undefined;
      struck += await withFault(fault, async () => {
        error = await errorOf(() => writeFolder(folder, model(`new ${n}`)));
      });
      if (error !== undefined) refused++;
      const found = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
      const right = error === undefined ? model(`new ${n}`) : old;
      const expected = new Map([...right].map(([name, bytes]) => [name, String(bytes)]));
      expect(Object.fromEntries(found), JSON.stringify(fault)).toEqual(Object.fromEntries(expected));
    }
    expect(struck).toBeGreaterThanOrEqual(runs);
    ledger.add({ what: 'Calls that fail while a model is saved', tried: runs, accepted: runs - refused, seed: SEED });
  });

  it('is an error while files are read, and the next call is right', async () => {
    const folder = temporaryFolder();
    for (const [name, bytes] of model('a')) writeFileSync(join(folder, name), bytes);
    const runs = 300;
    let refused = 0;
    for (let n = 0; n < runs; n++) {
      const fault = { ...anyFault(), call: pick(['open', 'read', 'stat'] as const), nth: 1 + (n % 2) };
      const readAll = async () => {
        const opened = await openLocalFolder(folder);
        for (const [name, bytes] of model('a')) {
          expect(Buffer.from((await opened.read(name))!).equals(bytes)).toBe(true);
          expect(Buffer.from(await readPicture(join(folder, name), 1000)).equals(bytes)).toBe(true);
        }
      };
      await withFault(fault, async () => {
        if ((await errorOf(readAll)) !== undefined) refused++;
      });
      await readAll();
    }
    expect(refused).toBe(runs);
    ledger.add({ what: 'Calls that fail while files are read', tried: runs, accepted: runs - refused, seed: SEED });
  });

  it('leaves a cache in which the next download succeeds', async () => {
    const { cache } = await testHub();
    const runs = 100;
    let refused = 0;
    for (let n = 0; n < runs; n++) {
      const fault = anyFault();
      await withFault(fault, async () => {
        if ((await errorOf(() => hf_hub_download(REPO, WEIGHTS))) !== undefined) refused++;
      });
      for (const name of filesBelow(cache).filter((file) => /blobs\/[0-9a-f]{64}$/.test(file)))
        expect(readFileSync(join(cache, name)).equals(files[WEIGHTS])).toBe(true);
      expect(readFileSync(await hf_hub_download(REPO, WEIGHTS)).equals(files[WEIGHTS])).toBe(true);
      // A lock that could not be read at its end may stay: who wants it next breaks it.
      expect(
        leftovers(cache).filter((name) => !name.endsWith('lock')),
        JSON.stringify(fault),
      ).toEqual([]);
      rmSync(cache, { recursive: true });
    }
    ledger.add({
      what: 'Calls that fail while a file is downloaded',
      tried: runs,
      accepted: runs - refused,
      seed: SEED,
    });
  });

  it('for a second, for want of descriptors, is right after it', async () => {
    const file = join(temporaryFolder(), 'a');
    writeFileSync(file, 'content');
    const lasting: Fault = { call: 'open', code: 'EMFILE', nth: 1, lasting: true };
    let calls = 0;
    const struck = await withFault(lasting, async () => {
      for (const end = performance.now() + 1000; performance.now() < end; calls++) {
        const error = await errorOf(() => readPicture(file, 100));
        expect(error).toMatchObject({ code: 'IO', message: expect.stringContaining('too many open files') });
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    });
    expect(struck).toBe(calls);
    expect(Buffer.from(await readPicture(file, 100)).toString()).toBe('content');
    ledger.add({ what: 'No descriptors for a second, then right again', tried: calls, accepted: 0 });
  });
});

it.skipIf(process.platform === 'win32')('a SIGTERM at any moment ends the program within a second', async () => {
  const script = join(ROOT, 'test/reliability/signals.mjs');
  const count = process.env.SIGNALS ?? '26';
  const { stdout, code } = await new Promise<{ stdout: string; code: unknown }>((resolve) =>
    execFile(process.execPath, [script, count, String(SEED)], (error, out) =>
      resolve({ stdout: out, code: error?.code ?? 0 }),
    ),
  );
  expect(code, stdout).toBe(0);
  const [, landed, ms] = /^(\d+) signals, seed \d+: the slowest end after (\d+) ms; 0 faults$/m.exec(stdout)!;
  ledger.add({
    what: 'SIGTERM at any moment, pipes and stalled servers included',
    tried: Number(landed),
    worstMs: Number(ms),
    seed: SEED,
    note: 'milliseconds until the process is gone',
  });
});

it('50 kills of runs with one number leave nothing that the next run meets', async () => {
  const folder = temporaryFolder();
  await saveTinyClassifier(`${folder}/model`);
  mkdirSync(`${folder}/photos`);
  for (let n = 0; n < 30; n++) writeFileSync(`${folder}/photos/${n}.png`, stripes(n, 64, 48));
  writeFileSync(`${folder}/pid.cjs`, "Object.defineProperty(process, 'pid', { value: 1 });");
  const args = ['features', 'photos', '--model', 'model', '--no-pool', '--ndjson', '--out', 'f.npy', '--threads', '1'];
  const run = (lines: number) =>
    cli(args, {
      cwd: folder,
      node: ['--require', './pid.cjs'],
      watch: (stdout, child) => {
        if (stdout.split('\n').length > lines) child.kill('SIGKILL');
      },
    });
  let killed = 0;
  for (let n = 0; n < 50; n++) {
    const { code, stderr } = await run(1 + Math.floor(random() * 20));
    expect(stderr).toBe('');
    killed += Number(code === null);
  }
  expect(killed).toBeGreaterThan(40);
  expect(await run(Number.POSITIVE_INFINITY)).toMatchObject({ code: 0, stderr: '' });
  expect(CLI.startsWith(ROOT)).toBe(true);
  ledger.add({ what: 'SIGKILL of runs that all have the process number 1', tried: killed, seed: SEED });
});
