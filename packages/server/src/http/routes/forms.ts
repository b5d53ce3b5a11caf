/** Pictures as a browser's form and `curl -F` send them: `/classify`, `/segment`, `/features`. */
import multipart from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { ServeError } from '../../errors.js';
import { MOST_PICTURES, type PictureAnswer, type Task } from '../../workers/jobs.js';
import { base64 } from '../../workers/json/read.js';
import type { Routes } from '../app.js';
import { goneSignal } from '../gone.js';
import { FORM_ANSWERS, FORM_BODY } from './schemas.js';

interface Query {
  model?: string;
  top_k?: number;
  threshold?: number;
}
const QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: {
    model: { type: 'string', description: 'one of several models; the first that does it when left out' },
    top_k: { type: 'integer', minimum: 1, description: 'how many labels, best first; default 5' },
    threshold: {
      type: 'number',
      minimum: 0,
      maximum: 1,
      description: 'only labels or pixels with at least this score',
    },
  },
} as const;

/** What is said of a picture. Masks are PNG in base64, as everywhere in JSON. */
function written(answer: PictureAnswer, file: string): object {
  if ('error' in answer) throw new ServeError(answer.error.kind, `${file}: ${answer.error.message}`);
  if ('labels' in answer) return { file, labels: answer.labels.map(({ label, score }) => ({ label, score })) };
  if ('features' in answer) return { file, features: Array.from(answer.features) };
  const segments = answer.segments.map(({ label, mask }) => ({ label, mask: base64(mask) }));
  return { file, width: answer.width, height: answer.height, segments };
}

interface FormFile {
  name: string;
  bytes: Uint8Array;
}

/** How often a form that is all here is looked at, in milliseconds, and how often it may still be read then. */
const LOOK = 500;
const LOOKS = 10;

/**
 * The files of a form, in its order. The parser needs no time after the last byte; but where a part is neither file nor field, and
 * larger than a buffer, it waits for ever (@fastify/busboy 3.2.6), and so would the end of the server.
 */
async function filesOf(request: FastifyRequest, limit: number): Promise<FormFile[]> {
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_, reject) => {
    let looks = 0;
    timer = setInterval(() => {
      // Not its event 'end': what was never read has none.
      if (request.raw.complete && ++looks > LOOKS) {
        reject(new ServeError('BAD_REQUEST', 'the form has a part that is neither a file nor a field'));
      }
    }, LOOK);
  });
  try {
    return await Promise.race([readFiles(request, limit), stuck]);
  } finally {
    clearInterval(timer);
  }
}

async function readFiles(request: FastifyRequest, limit: number): Promise<FormFile[]> {
  const files: FormFile[] = [];
  let length = 0;
  try {
    for await (const part of request.files()) {
      const bytes = await part.toBuffer();
      length += bytes.length;
      if (length > limit) throw new ServeError('TOO_LARGE', `the files have more than ${limit} bytes`);
      files.push({ name: part.filename, bytes });
    }
  } catch (error) {
    // The parser's own errors have no status: a form that ends too early, a part with a broken head.
    if ((error as { statusCode?: number }).statusCode !== undefined || error instanceof ServeError) throw error;
    throw new ServeError('BAD_REQUEST', `the form cannot be read: ${(error as Error).message}`, error);
  }
  if (files.length === 0) throw new ServeError('BAD_REQUEST', 'the form has no file');
  return files;
}

export const forms: Routes = async (app, { pool, bodyLimit }) => {
  await app.register(multipart, {
    limits: { fileSize: bodyLimit, files: MOST_PICTURES, fields: 0, parts: MOST_PICTURES, headerPairs: 20 },
  });
  const paths: [string, Task, string][] = [
    ['/classify', 'classify', 'Labels and scores of pictures'],
    ['/segment', 'segment', 'Masks of pictures'],
    ['/features', 'features', 'Features of pictures'],
  ];
  for (const [path, task, summary] of paths) {
    const options = {
      config: { body: FORM_BODY, answer: FORM_ANSWERS[task] },
      schema: { summary, consumes: ['multipart/form-data'], querystring: QUERY },
    };
    app.post<{ Querystring: Query }>(path, options, async (request, reply) => {
      const { model: name, ...how } = request.query;
      const model = pool.find(name, task).name;
      const files = await filesOf(request, bodyLimit);
      const pictures = files.map(({ bytes }) => bytes);
      const answer = await pool.run({ kind: 'pictures', model, task, pictures, ...how }, { signal: goneSignal(reply) });
      return answer.pictures.map((one, i) => written(one, files[i].name));
    });
  }
};
