/**
 * What runs in each worker: all models, loaded once, and a function from job to answer. What goes wrong comes back as a value
 * and keeps its kind; an error that was thrown would come back as a plain Error.
 */
import { env } from 'mobilenet-v2';
import { workerData } from 'piscina';
import { type Kind, ServeError } from '../errors.js';
import type { Answer, BodyAnswer, BodyJob, BodyRoute, Job } from './jobs.js';
import { answer as huggingface } from './json/huggingface.js';
import { answer as invocations } from './json/invocations.js';
import { answer as v1 } from './json/v1.js';
import { answer as v2 } from './json/v2.js';
import { fromLibrary, LoadedModel } from './loaded.js';
import type { ModelSpec } from './models.js';

/** What a worker is started with. */
export interface WorkerData {
  models: readonly ModelSpec[];
  /** Most pixels of a picture. */
  pixels: number;
}

/** An answer, or what went wrong. */
export type Outcome = { answer: Answer } | { error: { kind: Kind; message: string } };

/** Reads a body of one protocol, has the model compute, and writes the answer. */
export type Parser = (job: BodyJob, model: LoadedModel) => Promise<Omit<BodyAnswer, 'kind'>>;
const PARSERS: Record<BodyRoute, Parser> = { v1, v2, huggingface, invocations };

const { models, pixels } = workerData as WorkerData;
env.limits.imagePixels = pixels;
// Pictures are other people's: nothing about them goes into the log.
env.onWarning = null;

// Not awaited here: a model that cannot be loaded is told as the answer to the first job.
const loading = Promise.all(models.map(async (spec) => [spec.name, await LoadedModel.load(spec)] as const)).then(
  (loaded) => new Map(loaded),
);
loading.catch(() => {});

async function answerTo(job: Job): Promise<Answer> {
  const model = (await loading).get(job.model);
  if (model === undefined) throw new ServeError('NOT_FOUND', `model: there is no ${JSON.stringify(job.model)}`);
  if (job.kind === 'describe') return { kind: 'describe', model: model.description };
  if (job.kind === 'body') return { kind: 'body', ...(await PARSERS[job.route](job, model)) };
  return { kind: 'pictures', pictures: await model.pictures(job) };
}

export default async function run(job: Job): Promise<Outcome> {
  try {
    return { answer: await answerTo(job) };
  } catch (error) {
    const { kind, message } = fromLibrary(error);
    return { error: { kind, message } };
  }
}
