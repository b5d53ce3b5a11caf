/** The API under a monkey: only typed errors, no file that nobody asked for, no call that does not end. */
import { expect, it } from 'vitest';
import { SEED } from '../helpers/seed.js';
import { Ledger, resident } from './ledger.js';
import { letLoose } from './monkey.js';

const CALLS = Number(process.env.FUZZ_CALLS ?? 2000);
const command = `FUZZ_SEED=${SEED} FUZZ_CALLS=${CALLS} npx vitest run test/reliability/monkey.test.ts`;
const ledger = new Ledger('monkey', command);

it(`${CALLS} calls of anything with anything`, { timeout: 7_200_000 }, async () => {
  console.log(`monkey: ${command}`);
  const { faults, accepted, own, subjects, worstMs } = await letLoose(CALLS, SEED);
  const told = [...faults].map(([kind, { count, example }]) => `${count}× ${kind}\n    ${example}`);
  expect(told.sort().join('\n')).toBe('');
  expect(accepted).toBeGreaterThan(CALLS / 20);
  const note = `${subjects} functions and methods; ${own} errors thrown by the caller's own proxies and callbacks`;
  ledger.add({ what: 'Calls of the API', tried: CALLS, accepted, worstMs, rssMiB: resident(), seed: SEED, note });
});
