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
      // The bodies of probes are not read.
      const give = open ? undefined : this.#enter(bytes);
      this.#requests++;
      reply.raw.once('close', () => {
        give?.();
        this.#left();
      });
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

  /** Before a body is read, where the answer is known. @throws ServeError QUEUE_FULL */
  admit(bytes: number): void {
    if (bytes > SMALL) this.#options.pool.admit();
  }

  /** Memory for a body. @returns what gives it back. @throws ServeError QUEUE_FULL where there is not enough */
  hold(bytes: number): () => void {
    if (bytes > SMALL && this.#bytes + bytes > this.#options.memory) {
      throw new ServeError('QUEUE_FULL', `requests hold ${this.#bytes} bytes already`);
    }
    this.#bytes += bytes;
    return () => {
      this.#bytes -= bytes;
    };
  }

  #enter(bytes: number): () => void {
    this.admit(bytes);
    return this.hold(bytes);
  }

  #left(): void {
    this.#requests--;
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
}
