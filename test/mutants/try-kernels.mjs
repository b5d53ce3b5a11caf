/** Puts each fault of kernels.mjs into a copy of the project, and runs the tests that should find it. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A fault that makes a loop endless is found, too. */
const LONGEST_MS = 10 * 60_000;

function copyOf(root, folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of ['package.json', 'tsconfig.json', 'src', 'test', 'weights', 'examples']) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
}

/** The line of a text in which `part` stands. It has to stand there once: else nobody knows what was tried. */
function lineOf(text, part, { file, what }) {
  const pieces = text.split(part);
  if (pieces.length !== 2) throw new Error(`${file}, "${what}": its text stands there ${pieces.length - 1} times`);
  return pieces[0].split('\n').length;
}

/** Whether the tests find a fault in the copy; how it was found goes to standard output. */
function isFound(root, folder, tests) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--bail=1', '--reporter=json', '--config', 'test/mutants/vitest.config.ts'];
  const env = { ...process.env, MUTANT_TESTS: JSON.stringify(tests), MUTANT_SOURCES_ONLY: '1' };
  const run = spawnSync(process.execPath, args, { cwd: folder, env, timeout: LONGEST_MS, encoding: 'utf8' });
  if (run.error?.code === 'ETIMEDOUT') return true;
  const report = JSON.parse(run.stdout.slice(run.stdout.indexOf('{"num')));
  if (report.numTotalTestSuites === 0) throw new Error(`no tests ran: ${run.stderr}`);
  return !report.success;
}

export function tryKernelMutants(root, folder, mutants) {
  copyOf(root, folder);
  for (const tests of new Set(mutants.map((mutant) => mutant.tests))) {
    if (isFound(root, folder, tests)) throw new Error(`without a fault these fail already: ${tests.join(' ')}`);
  }
  return mutants.map((mutant) => {
    const { file, find, replace, tests } = mutant;
    const text = readFileSync(join(root, file), 'utf8');
    const line = lineOf(text, find, mutant);
    writeFileSync(join(folder, file), text.split(find).join(replace));
    const status = isFound(root, folder, tests) ? 'Killed' : 'Survived';
    writeFileSync(join(folder, file), text);
    console.log(`${status.toLowerCase()}: ${file}:${line}, ${mutant.what}`);
    return { file, line, was: find, becomes: replace, status };
  });
}
