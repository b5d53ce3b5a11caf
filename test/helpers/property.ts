/** Before every file of tests: properties begin at the same seed too, and say it when they fail. */
import fc from 'fast-check';
import { SEED } from './seed.js';

fc.configureGlobal({ seed: SEED });
