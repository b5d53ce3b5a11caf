import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
    globalSetup: 'test/helpers/build.ts',
    setupFiles: 'test/helpers/property.ts',
    // Whole networks run on the deliberately slow reference engine in some tests.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One second, as vitest has it, is not enough for a browser on a busy machine.
    expect: { poll: { timeout: 60_000 } },
  },
});
