/** What routes share whose body is either a picture's bytes or JSON. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ServeError } from '../../errors.js';
import type { BodyRoute, Task } from '../../workers/jobs.js';
import { written } from '../../workers/json/huggingface.js';
import type { WorkerPool } from '../../workers/pool.js';
import { goneSignal } from '../gone.js';

const BRACE = 0x7b;

/** What was asked: which model, for what, and whose JSON it is if it is JSON. */
export interface Asked {
  /** The first model when left out. */
  name?: string | undefined;
  /** What the model is for when left out. */
  task?: Task | undefined;
  json: BodyRoute;
}

/** @throws ServeError BAD_REQUEST where there is none */
function bodyOf(request: FastifyRequest): Uint8Array {
  const body = request.body as Uint8Array | undefined | null;
  if (!body?.byteLength) throw new ServeError('BAD_REQUEST', 'body: it is empty');
  return body;
}

/** Many clients say nothing of the type, or the wrong thing. No picture begins with a brace. */
const isJson = (request: FastifyRequest, body: Uint8Array): boolean =>
  body[0] === BRACE || /^application\/(?:[\w.-]+\+)?json\b/i.test(request.headers['content-type'] ?? '');

/** Has a worker read a body of JSON and send its answer. */
export async function sendJson(
  pool: WorkerPool,
  request: FastifyRequest,
  reply: FastifyReply,
  { name, task, json }: Asked,
): Promise<FastifyReply> {
  const model = pool.find(name, task).name;
  const job = { kind: 'body', model, route: json, body: bodyOf(request), task } as const;
  const { body, headers } = await pool.run(job, { signal: goneSignal(reply) });
  return reply.headers(headers).send(body);
}

/** The same, or one picture's bytes, of whatever type they are said to be. */
export async function sendAnswer(
  pool: WorkerPool,
  request: FastifyRequest,
  reply: FastifyReply,
  asked: Asked,
): Promise<FastifyReply> {
  const body = bodyOf(request);
  if (isJson(request, body)) return sendJson(pool, request, reply, asked);
  const { name: model, tasks } = pool.find(asked.name, asked.task);
  const job = { kind: 'pictures', model, task: asked.task ?? tasks[0], pictures: [body] } as const;
  const [answer] = (await pool.run(job, { signal: goneSignal(reply) })).pictures;
  if ('error' in answer) throw new ServeError(answer.error.kind, answer.error.message);
  return reply.send(written(answer));
}
