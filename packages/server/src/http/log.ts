/** A line for each answer: who asked is told the same id. Nothing of a body is ever written. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';

const ID = /^[\w.:-]{1,64}$/;

/** The client's own id where it has a decent one. */
export function requestId({ headers }: IncomingMessage): string {
  const own = headers['x-request-id'];
  return typeof own === 'string' && ID.test(own) ? own : randomUUID();
}

export function logAnswers(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    const { statusCode: status } = reply;
    // Probes come every few seconds.
    if (request.routeOptions.config.open && status < 400) return;
    const path = request.url.split('?', 1)[0].slice(0, 200);
    const ms = Math.round(reply.elapsedTime);
    request.log.info({ method: request.method, path, status, ms, bytes: bytesOf(request.headers) }, 'answered');
  });
}

const bytesOf = (headers: IncomingMessage['headers']): number | undefined =>
  headers['content-length'] === undefined ? undefined : Number(headers['content-length']);
