/** A copy of the project, into which faults are put as text, one at a time, and judged by some of the tests. */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';

/** A fault that makes a loop endless is found, too. */
const LONGEST_MS = 10 * 60_000;
const NOT_COPIED = new Set(['node_modules', 'dist', '.git', '.stryker-tmp']);
const isOurs = (path) => !path.split(sep).some((part) => part === 'node_modules');

export class Copy {
  #root;
  #folder;
  /** Tests that pass without a fault. */
  #sound = new Set();

  constructor(root, folder) {
    this.#root = root;
    this.#folder = folder;
    rmSync(folder, { recursive: true, force: true });
    for (const name of readdirSync(root)) {
      if (!NOT_COPIED.has(name)) cpSync(join(root, name), join(folder, name), { recursive: true, filter: isOurs });
    }
  }

  /**
   * The test of `tests`, files of them, that finds that `file` has another text; null if none does.
   * @param built they run the program, and need it built
   * @param named only tests with this in their names
   */
  finds(file, text, tests, { built = false, named = '' }) {
    const key = [...tests, named].join();
    const early = this.#sound.has(key) ? null : this.#failing(tests, built, named);
    if (early !== null) throw new Error(`without a fault it fails already: ${early}`);
    this.#sound.add(key);
    const path = join(this.#folder, file);
    const before = readFileSync(path, 'utf8');
    writeFileSync(path, text);
    const found = this.#failing(tests, built, named);
    writeFileSync(path, before);
    return found;
  }

  #failing(tests, built, named) {
    const vitest = join(this.#root, 'node_modules/vitest/vitest.mjs');
    const how = ['--config', 'test/mutants/vitest.config.ts', '--bail=1', '--reporter=json'];
    const args = [vitest, 'run', ...how, `--testNamePattern=${named}`];
    const env = { ...process.env, MUTANT_TESTS: JSON.stringify(tests), MUTANT_NOT_BUILT: built ? '' : '1' };
    const run = spawnSync(process.execPath, args, { cwd: this.#folder, env, timeout: LONGEST_MS, encoding: 'utf8' });
    if (run.error?.code === 'ETIMEDOUT') return 'one that did not end';
    const report = /^\{"num.*$/m.exec(run.stdout);
    if (report === null) return 'the build'; // so no test began
    const { numPassedTests, success, testResults } = JSON.parse(report[0]);
    if (success && numPassedTests === 0) throw new Error(`no such tests: ${tests.join()}`);
    if (success) return null;
    const failed = testResults.flatMap((file) => file.assertionResults).find(({ status }) => status === 'failed');
    return failed?.fullName ?? testResults.find(({ status }) => status === 'failed')?.name ?? 'a test';
  }
}
