/**
 * Loaded first in every process and thread that tests start (NODE_OPTIONS): which mutants they come by goes into a file at
 * once, as most of them end by a signal. setup.ts reads it after every test. Stryker itself looks at its own process only.
 */
import { appendFileSync } from 'node:fs';

const file = process.env.MUTANT_COVERAGE;
if (file !== undefined && globalThis.__stryker__ === undefined) {
  const seen = new Proxy(
    {},
    {
      set(target, id, count) {
        if (!(id in target)) {
          try {
            appendFileSync(file, `${id}\n`);
          } catch {} // a process that may not write: its mutants count as not come by
        }
        target[id] = count;
        return true;
      },
    },
  );
  globalThis.__stryker__ = { mutantCoverage: { static: seen, perTest: {} } };
}
