/** Hugging Face's inference routes, as `InferenceClient` of Python and JavaScript calls them: the bytes of a picture, or JSON. */
import { ServeError } from '../../errors.js';
import type { Task } from '../../workers/jobs.js';
import { HUB_TASKS } from '../../workers/models.js';
import type { WorkerPool } from '../../workers/pool.js';
import type { Routes } from '../app.js';
import { sendAnswer } from './bodies.js';
import { HUGGINGFACE_ANSWER, HUGGINGFACE_BODY } from './schemas.js';

/** In `/models/owner/name/pipeline/feature-extraction`, which is how clients ask for features. */
const TASKS: ReadonlyMap<string, Task> = new Map([...HUB_TASKS, ['feature-extraction', 'features']]);

/** `name`, with an owner before it or not, and maybe `/pipeline/<task>` after it. */
function modelOf(path: string, pool: WorkerPool): { name: string; task?: Task } {
  const [, whole, hubTask] = /^(.*?)(?:\/pipeline\/([^/]*))?$/s.exec(path) as unknown as [string, string, string?];
  const name = whole.slice(whole.lastIndexOf('/') + 1);
  pool.find(name);
  if (hubTask === undefined) return { name };
  const task = TASKS.get(hubTask);
  if (task === undefined) throw new ServeError('NOT_FOUND', `task: expected ${[...TASKS.keys()].join(', ')}`);
  return { name, task };
}

const DESCRIPTION =
  'A classifier answers [{label, score}], a segmenter [{label, mask}] with PNGs in base64, a model of features [[numbers]]; ' +
  'for a list of inputs a list of these. When the queue is full the status is 429.';

export const huggingface: Routes = async (app, { pool }) => {
  const config = { huggingface: true, body: HUGGINGFACE_BODY, answer: HUGGINGFACE_ANSWER };
  app.post(
    '/',
    { config, schema: { summary: "Hugging Face's route: the first model", description: DESCRIPTION } },
    (request, reply) => sendAnswer(pool, request, reply, { json: 'huggingface' }),
  );
  app.post<{ Params: { '*': string } }>(
    '/models/*',
    { config, schema: { summary: "Hugging Face's route: a model by its name", description: DESCRIPTION } },
    (request, reply) =>
      sendAnswer(pool, request, reply, { ...modelOf(request.params['*'], pool), json: 'huggingface' }),
  );
};
