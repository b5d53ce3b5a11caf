/**
 * Mutation testing: a fault is put into src, and the tests have to find it. `npm run mutate` tries 300 mutants of Stryker's,
 * drawn by a seed, and then every fault of test/mutants/kernels.mjs in the emitters of WebAssembly.
 *
 *   npm run mutate -- --seed 7 --count 100 --room layers --room tensor
 *   npm run mutate -- --kernels     only the emitters
 *
 * A mutant that survives is printed. Those in test/mutants/reasons.mjs have a reason; any other ends the run with exit code 1.
 * With RELIABILITY_RECORD=1 the figures of a run over all rooms go to test/reliability/results.
 */
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Stryker } from '@stryker-mutator/core';
import { Copy } from '../test/mutants/copy.mjs';
import { tryFaults } from '../test/mutants/kernels.mjs';
import { REASONS } from '../test/mutants/reasons.mjs';
import { filesOf, JUDGES } from '../test/mutants/rooms.mjs';
import { placesOf, roomOf, sample, textBetween } from '../test/mutants/sample.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const SANDBOXES = '.stryker-tmp';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '20261127' },
    count: { type: 'string', default: '300' },
    room: { type: 'string', multiple: true },
    kernels: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const rooms = values.room ?? (values.kernels ? [] : Object.keys(JUDGES));
for (const room of rooms) if (!(room in JUDGES)) throw new Error(`no room ${room}: ${Object.keys(JUDGES).join(', ')}`);

/** Tries the places of one room; stryker.config.mjs has the rest of the settings. */
async function tryRoom(room, places) {
  // Stryker's plugin and its processes hear of these by the environment.
  process.env.MUTANT_PLACES = JSON.stringify(places.map(({ key }) => key));
  process.env.MUTANT_TESTS = JSON.stringify(filesOf(JUDGES[room]));
  const results = await new Stryker({ mutate: places.map(({ key }) => key) }).runMutationTest();
  return results
    .filter(({ status }) => status !== 'Ignored')
    .map((result) => {
      const { start, end } = result.location;
      const source = readFileSync(result.fileName, 'utf8');
      // Stryker's columns begin at 1 here.
      const was = textBetween(source, { ...start, column: start.column - 1 }, { ...end, column: end.column - 1 });
      return {
        file: relative(root, result.fileName).replaceAll('\\', '/'),
        line: start.line,
        at: source.split('\n')[start.line - 1].trim(),
        was: was.replaceAll(/\s+/g, ' '),
        becomes: result.replacement.replaceAll(/\s+/g, ' '),
        status: result.status,
      };
    });
}

/** Tests look for ../shared beside the project; beside a sandbox is SANDBOXES. */
function linkShared() {
  mkdirSync(join(root, SANDBOXES), { recursive: true });
  const shared = join(root, '../shared');
  const link = join(root, SANDBOXES, 'shared');
  if (existsSync(shared) && !existsSync(link)) symlinkSync(realpathSync(shared), link);
}

const reasonOf = (mutant) =>
  REASONS.find(({ why: _, ...one }) => Object.entries(one).every(([key, text]) => mutant[key] === text))?.why;

/** Prints survivors, and says how many of all were killed. */
function judge(what, results) {
  const survivors = results.filter(({ status }) => status === 'Survived' || status === 'NoCoverage');
  const killed = results.filter(({ status }) => status === 'Killed' || status === 'Timeout').length;
  for (const one of survivors) {
    console.log(`\nsurvived${one.status === 'NoCoverage' ? ' (no test comes by)' : ''}: ${one.file}:${one.line}`);
    console.log(`  - ${one.was.slice(0, 200)}\n  + ${one.becomes.slice(0, 200)}`);
    const reason = reasonOf(one);
    if (reason !== undefined) console.log(`  ${reason}`);
    else process.exitCode = 1;
  }
  const percent = ((100 * killed) / results.length).toFixed(1);
  console.log(`\n${what}: ${killed} of ${results.length} killed, ${percent} %; ${survivors.length} survive`);
  return {
    what,
    tried: results.length,
    note: `${killed} killed, ${percent} %; ${survivors.length} survive, each with a reason`,
  };
}

const entries = [];
if (rooms.length > 0) {
  const isJudged = (file) => rooms.includes(roomOf(file));
  const places = sample(root, await placesOf(root, isJudged), Number(values.count), seed);
  linkShared();
  const results = [];
  for (const room of rooms) {
    const its = places.filter(({ file }) => roomOf(file) === room);
    if (its.length === 0) continue;
    const got = await tryRoom(room, its);
    judge(`mutants of ${room}`, got);
    results.push(...got);
  }
  entries.push({ ...judge('Mutants of src, drawn by the seed', results), seed });
}
if (values.kernels || values.room === undefined) {
  linkShared();
  const copy = await Copy.of(root, join(root, SANDBOXES, 'copy'));
  entries.push(judge('Faults in the emitters of WebAssembly', await tryFaults(root, copy)));
  await copy.close();
}
rmSync(join(root, SANDBOXES), { recursive: true, force: true });

if (process.env.RELIABILITY_RECORD === '1' && entries.length === 2 && process.exitCode === undefined) {
  const command = `npm run mutate -- --seed ${seed} --count ${values.count}`;
  const where = `Node ${process.versions.node}, ${availableParallelism()} cores`;
  const target = join(root, 'test/reliability/results/mutants.json');
  writeFileSync(target, `${JSON.stringify({ command, where, entries }, null, 2)}\n`);
}
