/** A server from its options to its end: workers, HTTP, and what else listens. */
import type { FastifyInstance } from 'fastify';
import { type AppOptions, buildApp } from './http/app.js';
import { allowedHosts } from './http/guard.js';
import { type PoolOptions, WorkerPool } from './workers/pool.js';

export interface ServeOptions extends PoolOptions, Omit<AppOptions, 'pool' | 'hosts'> {
  /** Default 8080; 0 takes one that is free. */
  port?: number;
  /** The address to listen on. Default 127.0.0.1, this machine alone. */
  host?: string;
  /** Hosts that requests may name, besides those of this machine. */
  allowHosts?: readonly string[];
  /**
   * How long probes may find out that the server ends before it takes no more connections, in milliseconds. Default 0; behind a load
   * balancer as long as that takes to send requests elsewhere.
   */
  shutdownDelay?: number;
}

export interface RunningServer {
  url: string;
  app: FastifyInstance;
  pool: WorkerPool;
  /** Says that it ends, answers what was accepted, and ends. */
  close(): Promise<void>;
}

/** @throws ServeError for a model that cannot be loaded, Error where the port is taken */
export async function serve(options: ServeOptions = {}): Promise<RunningServer> {
  const { port = 8080, host = '127.0.0.1', allowHosts, shutdownDelay = 0 } = options;
  const pool = await WorkerPool.start(options);
  try {
    const hosts = allowedHosts(host, allowHosts);
    const app = await buildApp({ ...options, pool, ...(hosts && { hosts }) });
    const url = await app.listen({ port, host });
    if (hosts === undefined && options.token === undefined) {
      app.log.warn('other machines can ask this server, and need no token');
    }
    const close = async () => {
      const answered = app.lifecycle.end();
      await new Promise((resolve) => setTimeout(resolve, shutdownDelay));
      await answered;
      await app.close();
      await pool.close();
    };
    return { url, app, pool, close };
  } catch (error) {
    await pool.close();
    throw error;
  }
}
