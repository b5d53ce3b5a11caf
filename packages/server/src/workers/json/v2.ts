/** The Open Inference Protocol's bodies, in the worker. */
import { infer } from '../../v2/infer.js';
import type { Parser } from '../worker.js';
import { checkLists } from './structure.js';

/** Nested data of 64 pictures of 513×513 is 100,000 lists of numbers. */
const MOST_LISTS = 200_000;

export const answer: Parser = ({ body, header_length }, model) => {
  checkLists(body.subarray(0, header_length), MOST_LISTS);
  return infer(body, header_length, model);
};
