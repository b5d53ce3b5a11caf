/** A client may go away before its answer. */
import type { FastifyReply } from 'fastify';

/**
 * Aborted when that happens. Not fastify's `request.signal`: it listens to the request, which also closes when its body has been
 * read, and whatever waits for a worker would be given up.
 */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
