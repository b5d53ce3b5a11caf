/** What Stryker always gets. scripts/mutate.mjs adds the places and their tests, room by room. */
export default {
  testRunner: 'vitest',
  // Not only tests that import the file: many run the program.
  vitest: { configFile: 'test/mutants/vitest.config.ts', related: false },
  coverageAnalysis: 'perTest',
  plugins: ['@stryker-mutator/vitest-runner', './test/mutants/only-chosen.mjs'],
  ignorers: ['only-chosen'],
  // Tables and the like, which are read once when a file is loaded: for each of those all tests would begin anew.
  ignoreStatic: true,
  concurrency: 1,
  disableTypeChecks: false,
  ignorePatterns: ['dist', 'docs/reference', 'bench/peers', 'bench/bundles'],
  tempDirName: '.stryker-tmp',
  reporters: ['progress-append-only'],
  logLevel: 'warn',
  // Machines are shared: a mutant that is only slow must not look endless.
  timeoutMS: 60_000,
  dryRunTimeoutMinutes: 60,
};
