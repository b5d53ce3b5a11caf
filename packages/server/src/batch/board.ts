/** bull-board at /board: what is in the queue, in a browser. Who can reach it can also remove and repeat jobs. */
import fastify from 'fastify';
import { messageOf, UsageError } from './errors.js';
import { openQueue, type QueuePlace } from './queue.js';
import type { Talk } from './run.js';

const PATH = '/board';

export interface Board {
  readonly address: string;
  close(): Promise<void>;
}

/** @param where `port` or `host:port`; a port alone is on this machine only */
export async function openBoard(where: string, place: QueuePlace, talk: Talk): Promise<Board> {
  const [, host = '127.0.0.1', port] = /^(?:(.+):)?(\d{1,5})$/.exec(where) ?? [];
  if (port === undefined) throw new UsageError(`--board: expected a port, or host:port, got ${where}`);
  const { createBullBoard, BullMQAdapter, FastifyAdapter } = await packages();
  const queue = await openQueue(place, talk);
  const adapter = new FastifyAdapter();
  adapter.setBasePath(PATH);
  createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter: adapter });
  const app = fastify();
  await app.register(adapter.registerPlugin(), { prefix: PATH });
  app.get('/', (_, reply) => reply.redirect(PATH));
  const address = await app.listen({ host: host.replace(/^\[|\]$/g, ''), port: Number(port) });
  talk.say(`board: ${address}${PATH}`);
  return {
    address: `${address}${PATH}`,
    async close() {
      await app.close();
      await queue.close();
    },
  };
}

async function packages() {
  try {
    const { createBullBoard } = await import('@bull-board/api');
    const { BullMQAdapter } = await import('@bull-board/api/bullMQAdapter');
    const { FastifyAdapter } = await import('@bull-board/fastify');
    return { createBullBoard, BullMQAdapter, FastifyAdapter };
  } catch (error) {
    throw new UsageError(
      `--board needs more packages: npm install @bull-board/api @bull-board/fastify (${messageOf(error)})`,
    );
  }
}
