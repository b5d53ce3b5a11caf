/** The tests as Stryker runs them: those of MUTANT_TESTS, with processes and threads that run the same mutant. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: JSON.parse(process.env.MUTANT_TESTS ?? '["test/**/*.test.ts"]'),
    globalSetup: 'test/helpers/build.ts',
    setupFiles: ['test/helpers/property.ts', 'test/mutants/setup.ts'],
    testTimeout: 600_000,
  },
});
