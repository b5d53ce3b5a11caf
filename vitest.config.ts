import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
    globalSetup: 'test/helpers/build.ts',
    setupFiles: 'test/helpers/property.ts',
    // Vitest leaves a core to itself. Of two cores that is half, though many tests wait for a browser: 1377 s; with two, 1005 s.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Whole networks run on the deliberately slow reference engine in some tests.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One second, as vitest has it, is not enough for a browser on a busy machine.
    expect: { poll: { timeout: 60_000 } },
  },
});
