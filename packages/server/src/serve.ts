/** A server from its options to its end: workers, HTTP, and what else listens. */
import type { FastifyInstance } from 'fastify';
import { loadPeers } from './grpc/peers.js';
import { type GrpcServer, startGrpc } from './grpc/server.js';
import { type AppOptions, BODY_LIMIT, buildApp, REQUEST_TIMEOUT } from './http/app.js';
import { allowedHosts } from './http/guard.js';
import { InferenceService } from './v2/service.js';
import { type PoolOptions, WorkerPool } from './workers/pool.js';

/** This machine alone. */
const LOOPBACK = '127.0.0.1';

export interface ServeOptions extends PoolOptions, Omit<AppOptions, 'pool' | 'hosts' | 'service'> {
  /** Default 8080; 0 takes one that is free. */
  port?: number;
  /** The address to listen on. Default 127.0.0.1, this machine alone. */
  host?: string;
  /** Where gRPC listens; it does not when left out. 0 takes one that is free. */
  grpcPort?: number;
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
  /** Undefined where gRPC does not listen. */
  grpcPort: number | undefined;
  /** Says that it ends, answers what was accepted, and ends. */
  close(): Promise<void>;
}

/** @throws ServeError for a model that cannot be loaded, Error where the port is taken */
export async function serve(options: ServeOptions = {}): Promise<RunningServer> {
  const { port = 8080, host = LOOPBACK, allowHosts, shutdownDelay = 0 } = options;
  // Before models are loaded: its packages may be missing.
  if (options.grpcPort !== undefined) await loadPeers();
  const pool = await WorkerPool.start(options);
  try {
    const service = new InferenceService(pool);
    const hosts = allowedHosts(host, allowHosts);
    const app = await buildApp({ ...options, pool, service, ...(hosts && { hosts }) });
    const url = await app.listen({ port, host });
    const grpc = options.grpcPort === undefined ? undefined : await listenGrpc(options, app, service, pool);
    if (hosts === undefined && options.token === undefined) {
      app.log.warn('other machines can ask this server, and need no token');
    }
    const close = async () => {
      const answered = app.lifecycle.end();
      grpc?.end();
      await new Promise((resolve) => setTimeout(resolve, shutdownDelay));
      await Promise.all([answered, grpc?.close()]);
      await app.close();
      await pool.close();
    };
    return { url, app, pool, grpcPort: grpc?.port, close };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** The same service by gRPC, in the same log and counts. */
function listenGrpc(
  options: ServeOptions,
  app: FastifyInstance,
  service: InferenceService,
  { workers }: WorkerPool,
): Promise<GrpcServer> {
  const { grpcPort = 0, host = LOOPBACK, token, bodyLimit = BODY_LIMIT, requestTimeout = REQUEST_TIMEOUT } = options;
  return startGrpc({
    service,
    host,
    port: grpcPort,
    bodyLimit,
    requestTimeout,
    bodies: app.lifecycle,
    ...(token !== undefined && { token }),
    // Enough that no worker of its waits for the next.
    ahead: 2 * workers,
    onEnd: ({ method, code, milliseconds, fault }) => {
      app.measures.count(`grpc ${method}`, code, milliseconds);
      if (fault !== undefined) app.log.error({ err: fault }, 'internal error');
      app.log.info({ method: `grpc ${method}`, status: code, ms: Math.round(milliseconds) }, 'answered');
    },
  }).catch(async (error) => {
    await app.close();
    throw error;
  });
}
