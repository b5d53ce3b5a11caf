/** The Open Inference Protocol's bodies, in the worker. */
import { infer } from '../../v2/infer.js';
import type { Parser } from '../worker.js';

export const answer: Parser = ({ body, header_length }, model) => infer(body, header_length, model);
