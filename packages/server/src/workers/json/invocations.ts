/** Bodies of SageMaker's `/invocations`, of which nobody says whose they are: `inputs` with text is Hugging Face's, the rest is v1. */
import type { Parser } from '../worker.js';
import { answer as huggingface } from './huggingface.js';
import { readJson } from './read.js';
import { answer as v1 } from './v1.js';

export const answer: Parser = async (job, model) => {
  const { inputs } = readJson(job.body);
  const first: unknown = Array.isArray(inputs) ? inputs[0] : inputs;
  return typeof first === 'string' ? huggingface(job, model) : v1(job, model);
};
