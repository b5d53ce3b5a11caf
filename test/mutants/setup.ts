/** Before every file of tests under Stryker: processes and threads that tests start run the same mutant. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { afterEach, beforeAll } from 'vitest';

interface Stryker {
  activeMutant?: string;
  currentTestId?: string;
  mutantCoverage?: { static: Record<string, number>; perTest: Record<string, Record<string, number>> };
}

const stryker = () => (globalThis as { __stryker__?: Stryker }).__stryker__ ?? {};
const file = join(tmpdir(), `mutants-${process.pid}-${threadId}`);

process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${new URL('children.mjs', import.meta.url).href}`;
process.env.MUTANT_COVERAGE = file;

const activate = () => {
  const { activeMutant } = stryker();
  if (activeMutant === undefined) delete process.env.__STRYKER_ACTIVE_MUTANT__;
  else process.env.__STRYKER_ACTIVE_MUTANT__ = activeMutant;
};
activate();
beforeAll(activate);

// Hooks run backwards: this one before Stryker's own, which forgets the test.
afterEach(() => {
  const { currentTestId, mutantCoverage } = stryker();
  if (!existsSync(file)) return;
  const ids = readFileSync(file, 'utf8').trim().split('\n');
  rmSync(file);
  if (currentTestId === undefined) return;
  const coverage = mutantCoverage ?? { static: {}, perTest: {} };
  stryker().mutantCoverage = coverage;
  coverage.perTest[currentTestId] ??= {};
  for (const id of ids) coverage.perTest[currentTestId][id] ??= 1;
});
