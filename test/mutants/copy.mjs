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

  /** Whether `tests` find that `file` has another text. `built`: they run the program, and need it built. */
  finds(file, text, tests, built) {
    const key = tests.join();
    if (!this.#sound.has(key) && this.#fail(tests, built))
      throw new Error(`without a fault these fail already: ${key}`);
    this.#sound.add(key);
    const path = join(this.#folder, file);
    const before = readFileSync(path, 'utf8');
    writeFileSync(path, text);
    const found = this.#fail(tests, built);
    writeFileSync(path, before);
    return found;
  }

  #fail(tests, built) {
    const vitest = join(this.#root, 'node_modules/vitest/vitest.mjs');
    const args = [vitest, 'run', '--bail=1', '--reporter=json', '--config', 'test/mutants/vitest.config.ts'];
    const env = { ...process.env, MUTANT_TESTS: JSON.stringify(tests), MUTANT_NOT_BUILT: built ? '' : '1' };
    const run = spawnSync(process.execPath, args, { cwd: this.#folder, env, timeout: LONGEST_MS, encoding: 'utf8' });
    if (run.error?.code === 'ETIMEDOUT') return true;
    const report = /^\{"num.*$/m.exec(run.stdout);
    if (report === null) return true; // it did not even begin, as where the program cannot be built
    const { numTotalTests, success } = JSON.parse(report[0]);
    if (success && numTotalTests === 0) throw new Error(`no such tests: ${tests.join()}`);
    return !success;
  }
}
