/** A copy of the project, into which faults are put as text, one at a time, and judged by some of the tests. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { createVitest } from 'vitest/node';

/** Node 20 has relaxed SIMD, and keeps it back. */
const RELAXED = process.versions.node.startsWith('20.') ? ['--experimental-wasm-relaxed-simd'] : [];
const NOT_COPIED = new Set(['node_modules', 'dist', '.git', '.stryker-tmp']);
const isOurs = (path) => !path.split(sep).includes('node_modules');

export class Copy {
  #folder;
  #vitest;
  /** Tests that pass without a fault. */
  #sound = new Set();

  static async of(root, folder) {
    rmSync(folder, { recursive: true, force: true });
    for (const name of readdirSync(root)) {
      if (NOT_COPIED.has(name)) continue;
      cpSync(join(root, name), join(folder, name), {
        recursive: true,
        filter: (path) => isOurs(path.slice(root.length)),
      });
    }
    const copy = new Copy();
    copy.#folder = folder;
    // One for all faults: to begin takes longer than most tests.
    copy.#vitest = await createVitest('test', {
      ...{ root: folder, config: join(folder, 'test/mutants/vitest.config.ts') },
      ...{ watch: false, bail: 1, reporters: [{}], maxWorkers: 1, execArgv: RELAXED },
    });
    return copy;
  }

  /**
   * Whether a test finds that `file` has another text.
   * @param tests files of tests
   * @param named only tests with this in their names
   */
  async finds(file, text, tests, named = '') {
    const key = [...tests, named].join();
    if (!this.#sound.has(key) && (await this.#fail(tests, named)))
      throw new Error(`without a fault fail already: ${key}`);
    this.#sound.add(key);
    const path = join(this.#folder, file);
    const before = readFileSync(path, 'utf8');
    this.#write(path, text);
    const found = await this.#fail(tests, named);
    this.#write(path, before);
    return found;
  }

  close() {
    return this.#vitest.close();
  }

  #write(path, text) {
    writeFileSync(path, text);
    this.#vitest.invalidateFile(path);
  }

  async #fail(tests, named) {
    this.#vitest.setGlobalTestNamePattern(named);
    this.#vitest.state.filesMap.clear();
    this.#vitest.state.errorsSet.clear();
    const { testModules, unhandledErrors } = await this.#vitest.start(tests);
    process.exitCode = undefined; // Vitest's, of a test that failed as it should
    const failed = unhandledErrors.length > 0 || testModules.some((module) => module.state() === 'failed');
    if (!failed && testModules.length < tests.length) throw new Error(`not all of these are there: ${tests.join()}`);
    return failed;
  }
}
