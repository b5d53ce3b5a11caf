/**
 * Where chance begins. The same place in every `npm test`, so that a test fails by what was changed and not by the day;
 * `npm run fuzz` says `random` and looks somewhere new each time. `FUZZ_SEED=n` repeats a run, which prints its n.
 */
const { FUZZ_SEED = '20261125' } = process.env;

export const SEED = FUZZ_SEED === 'random' ? Date.now() % 2 ** 31 : Number(FUZZ_SEED);
