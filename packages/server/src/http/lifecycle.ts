/**
 * Counts the requests that are here and the memory that their bodies may take, and ends the server: requests that were let in
 * are answered, later ones are told to go elsewhere.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ServeError } from '../errors.js';
import type { WorkerPool } from '../workers/pool.js';

export interface LifecycleOptions {
  pool: WorkerPool;
  /** Most bytes of a body. */
  bodyLimit: number;
  /** Most bytes of all bodies together. */
  memory: number;
}

/** A body so small that reading it costs less than a client's second try. */
const SMALL = 64 * 1024;

export class Lifecycle {
  readonly #options: LifecycleOptions;
  #requests = 0;
  #bytes = 0;
  #closing = false;
  #wake: (() => void) | undefined;

  constructor(options: LifecycleOptions) {
    this.#options = options;
  }

  /** False while the server ends: probes send no more requests then. */
  get ready(): boolean {
    return !this.#closing;
  }

  /** Watches the requests of an app. */
  watch(app: FastifyInstance): void {
    app.addHook('onRequest', async (request, reply) => {
      const { open } = request.routeOptions.config;
      if (this.#closing && !open) throw new ServeError('CLOSING', 'the server ends');
      const bytes = this.#bytesOf(request);
      if (bytes > SMALL && !open) this.#refuseEarly(bytes);
      this.#requests++;
      this.#bytes += bytes;
      reply.raw.once('close', () => this.#left(bytes));
    });
    app.addHook('onSend', async (_request, reply) => {
      if (this.#closing) reply.header('connection', 'close');
    });
  }

  /** Lets no more requests in. Resolves when all that are in are answered. */
  async end(): Promise<void> {
    this.#closing = true;
    if (this.#requests > 0) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  #left(bytes: number): void {
    this.#requests--;
    this.#bytes -= bytes;
    if (this.#requests === 0) this.#wake?.();
  }

  /** What a body will take at most; 413 where it says itself that it is too large. Its length is not known before the end where it comes packed or in chunks. */
  #bytesOf({ headers }: FastifyRequest): number {
    const length = headers['content-length'];
    const { bodyLimit } = this.#options;
    if (length === undefined && headers['transfer-encoding'] === undefined) return 0;
    if (Number(length) > bodyLimit) throw new ServeError('TOO_LARGE', `the body has more than ${bodyLimit} bytes`);
    return length === undefined || headers['content-encoding'] !== undefined ? bodyLimit : Number(length);
  }

  /** Before the body is read, where the answer is known. */
  #refuseEarly(bytes: number): void {
    const { pool, memory } = this.#options;
    if (pool.full) throw new ServeError('QUEUE_FULL', `${pool.queue} requests wait already`);
    if (this.#bytes + bytes > memory) throw new ServeError('QUEUE_FULL', `requests hold ${this.#bytes} bytes already`);
  }
}
