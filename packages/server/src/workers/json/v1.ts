/** Bodies of v1, in the worker. */
import { ServeError } from '../../errors.js';
import type { Parser } from '../worker.js';

export const answer: Parser = async () => {
  throw new ServeError('NOT_FOUND', 'not here yet');
};
