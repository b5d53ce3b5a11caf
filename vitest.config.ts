import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Whole networks run on the deliberately slow reference engine in some tests.
    testTimeout: 120_000,
  },
});
