/**
 * One block of runs of one reader, in a process of its own under limits that its parent set: name, seed, first run, runs, file for
 * the input. Every input is written to that file before it is read, so that it is there if the process dies.
 */
import { openSync, writevSync } from 'node:fs';
import { env } from '../../../src/base/env.js';
import { MobileNetError } from '../../../src/base/errors.js';
import { nodePlatform } from '../../../src/platforms/node/platform.js';
import { randomNumbers } from '../../helpers/random.js';
import { belowOf } from '../mutate.js';
import { PLANTED, READERS } from './readers.js';

/** Small, so that an input that gets past one needs more memory than the process has. */
const LIMITS = { imagePixels: 1e6, headerBytes: 1e6, weightsBytes: 8e6, jsonBytes: 1e6 };
/** Inputs are small. */
const MOST_MS = 2000;
/** What is above may be the machine's other work. */
const LONG_MS = 50;

const [name, seed, first, runs, keep] = process.argv.slice(2);
const reader = [...READERS, ...PLANTED].find((one) => one.name === name);
if (reader === undefined) throw new Error(`no reader ${name}`);
Object.assign(env.limits, LIMITS);
env.platform = nodePlatform;
env.onWarning = () => {};

/** What a reader answered, without what differs from file to file. */
const answerOf = ({ code, message }: MobileNetError): string =>
  `${code} ${message.replace(/"(?:[^"\\]|\\.)*"?|-?\d[\d.e+]*/g, '#')}`.slice(0, 120);

/** Its length comes before it: to cut the file takes longer than most readers do. */
const kept = openSync(keep, 'w');
const length = new Uint32Array(1);
const answers = new Set<string>();
let accepted = 0;
let worstMs = 0;

async function read(bytes: Uint8Array, run: number): Promise<string> {
  try {
    const result = reader!.read(bytes);
    if (result instanceof Promise) await result;
    return '';
  } catch (error) {
    if (!(error instanceof MobileNetError)) throw new Error(`run ${run}: no typed error`, { cause: error });
    if (error.message.length >= 500) throw new Error(`run ${run}: a message of ${error.message.length} characters`);
    return answerOf(error);
  }
}

for (let run = Number(first); run < Number(first) + Number(runs); run++) {
  // Any run can be repeated alone.
  const below = belowOf(randomNumbers(Number(seed) ^ Math.imul(run, 0x9e3779b1)));
  const bytes = reader.make(below);
  length[0] = bytes.length;
  writevSync(kept, [length, bytes], 0);
  const begin = performance.now();
  const answer = await read(bytes, run);
  let ms = performance.now() - begin;
  if (ms > LONG_MS) {
    // By the clock of a busy machine. Again, by the CPU's.
    const before = process.cpuUsage();
    await read(bytes, run);
    const { user, system } = process.cpuUsage(before);
    ms = Math.min(ms, (user + system) / 1000);
  }
  if (ms > MOST_MS) throw new Error(`run ${run} took ${ms} ms`);
  worstMs = Math.max(worstMs, ms);
  if (answer === '') accepted++;
  else answers.add(answer);
  if (run % 1000 === 0) console.log(JSON.stringify({ run }));
}
const rssMiB = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ accepted, worstMs, rssMiB, answers: [...answers] }));
