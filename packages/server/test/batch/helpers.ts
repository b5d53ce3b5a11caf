/** What the tests of batches share. */
import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load_image, RawImage } from 'mobilenet-v2';
import { afterAll } from 'vitest';
import type { PlanOptions } from '../../src/batch/plan.js';
import type { RunOptions, Talk } from '../../src/batch/run.js';
import { Stop } from '../../src/batch/stop.js';

export { freePort } from '../../bench/processes.mjs';

export const EXAMPLES = fileURLToPath(new URL('../../../../examples/', import.meta.url));
const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));
const PROGRAM = join(PACKAGE, 'dist/bin/batch.js');

/** A folder that is gone after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-batch-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

let small: Uint8Array | undefined;

/** A coffee of 64 by 48. */
export async function smallPicture(): Promise<Uint8Array> {
  if (small === undefined) {
    const image = await (await load_image(join(EXAMPLES, 'coffee.jpg'))).resize(64, 48);
    small = new Uint8Array(await (await image.toBlob('image/png')).arrayBuffer());
  }
  return small;
}

/** A folder with pictures a.png, sub/b.png, c.png, … and bad.jpg, which is not a picture. */
export async function folderOfPictures(folder: string, count: number): Promise<string> {
  mkdirSync(join(folder, 'sub'), { recursive: true });
  const bytes = await smallPicture();
  for (let n = 0; n < count; n++) {
    const name = n < 26 ? `${String.fromCharCode(97 + n)}.png` : `z${n}.png`;
    writeFileSync(join(folder, n === 1 ? `sub/${name}` : name), bytes);
  }
  writeFileSync(join(folder, 'bad.jpg'), 'no picture');
  writeFileSync(join(folder, 'notes.txt'), 'not looked at');
  return folder;
}

const MARKED = { width: 31, height: 17 };

/** A PNG of another size than all others here, so that it can be told by its bytes. */
export async function markedPicture(): Promise<Uint8Array> {
  const { width, height } = MARKED;
  const image = new RawImage(new Uint8Array(width * height * 3).fill(200), width, height, 3);
  return new Uint8Array(await (await image.toBlob('image/png')).arrayBuffer());
}

export const planOptions = (own: Partial<PlanOptions> & { input: string }): PlanOptions => ({
  task: 'classify',
  model: null,
  format: 'ndjson',
  top_k: 2,
  threshold: null,
  shard_size: 2,
  ...own,
});

export const runOptions = (input: string, out: string, own: Partial<RunOptions> = {}): RunOptions => ({
  ...planOptions({ input }),
  out,
  workers: 1,
  quiet: true,
  ...own,
});

export interface Heard extends Talk {
  said: string[];
}

export function talk(): Heard {
  const said: string[] = [];
  return { stop: new Stop(), say: (text) => said.push(text), said };
}

/** The files of shards, in their order. */
export const shardsIn = (out: string): string[] =>
  readdirSync(out)
    .filter((file) => file.startsWith('shard-'))
    .sort();

/** All lines of NDJSON that a run wrote. */
export const recordsIn = (out: string): { file: string; [key: string]: unknown }[] =>
  shardsIn(out).flatMap((file) =>
    readFileSync(join(out, file), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
  errors: string;
}

/**
 * The program with workers that die of a marked picture.
 * @param how they die, in JavaScript
 */
export function deadlyProgram(folder: string, how: string): string {
  cpSync(join(PACKAGE, 'dist'), join(folder, 'dist'), { recursive: true });
  cpSync(join(PACKAGE, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(PACKAGE, '../../node_modules'), join(folder, 'node_modules'));
  appendFileSync(
    join(folder, 'dist/workers/loaded.js'),
    `
    const pictures = LoadedModel.prototype.pictures;
    LoadedModel.prototype.pictures = async function (job) {
      const [bytes] = job.pictures;
      if (bytes[19] !== ${MARKED.width} || bytes[23] !== ${MARKED.height}) return pictures.call(this, job);
      ${how};
      return new Promise(() => {});
    };`,
  );
  return join(folder, 'dist/bin/batch.js');
}

/** The command line, to its end. */
export function batch(args: string[], { program = PROGRAM } = {}) {
  const child = spawn(process.execPath, [program, ...args]);
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, output, errors }));
  });
  return { child, ended };
}

/** Whether a program is not there; prints what is left out for that reason. */
export function without(program: string, what: string): boolean {
  const absent = spawnSync(program, ['--version']).error !== undefined;
  if (absent) console.log(`skipped: no ${program}: ${what} left out`);
  return absent;
}
