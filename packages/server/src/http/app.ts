/**
 * The HTTP server: `buildApp` puts the parts together. A request goes through the check of its host, its token, the limits and
 * the unpacking of its body, then to its route. Bodies are bytes here; only workers read what is in them.
 */
import swagger from '@fastify/swagger';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyPluginAsync, LogController } from 'fastify';
import { asServeError, type Kind, publicMessage, ServeError, sayingOf } from '../errors.js';
import type { WorkerPool } from '../workers/pool.js';
import { forms } from './routes/forms.js';
import { health } from './routes/health.js';
import { huggingface } from './routes/huggingface.js';
import { sagemaker } from './routes/sagemaker.js';
import { v1 } from './routes/v1.js';
import { v2 } from './routes/v2.js';

export interface AppOptions {
  pool: WorkerPool;
  /** Most bytes of a body, also of what it unpacks to. Default 64 MiB. */
  bodyLimit?: number;
  logger?: boolean | FastifyBaseLogger;
}

/** What each plugin of routes gets. */
export interface RouteOptions {
  pool: WorkerPool;
  bodyLimit: number;
}
export type Routes = FastifyPluginAsync<RouteOptions>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered to anybody: no token, any host. Only for what tells no more than that the server is there. */
    open?: boolean;
    /** Errors have the status of Hugging Face's routes. */
    huggingface?: boolean;
    /**
     * The schema of the body, for openapi.json. Not `schema.body`: fastify would hold it against bytes. The worker checks when it
     * parses.
     */
    body?: unknown;
  }
}

const KIND_OF_STATUS: Record<number, Kind> = {
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'SLOW_SENDER',
  413: 'TOO_LARGE',
  415: 'UNSUPPORTED',
};

/** The errors of fastify, its plugins and JSON.parse by their status; one without is a fault of ours. */
function ofFramework(error: unknown): ServeError {
  const { statusCode, message } = error as { statusCode?: number; message?: string };
  if (error instanceof ServeError || statusCode === undefined || statusCode < 400 || statusCode >= 500) {
    return asServeError(error);
  }
  return new ServeError(KIND_OF_STATUS[statusCode] ?? 'BAD_REQUEST', message ?? 'bad request', error);
}

export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { pool, bodyLimit = 64 * 1024 * 1024, logger = false } = options;
  const app = Fastify({
    bodyLimit,
    logger: logger as boolean,
    logController: new LogController({ disableRequestLogging: true }),
    routerOptions: { ignoreTrailingSlash: true },
  });

  app.setErrorHandler((error, request, reply) => {
    const { kind, message } = ofFramework(error);
    const { http, huggingface, retryAfter } = sayingOf(kind);
    const status = (request.routeOptions.config.huggingface ? huggingface : undefined) ?? http;
    if (status === 500) request.log.error({ err: error }, 'internal error');
    if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
    return reply.code(status).send({ error: publicMessage({ kind, message }) });
  });
  app.setNotFoundHandler((request) => {
    throw new ServeError('NOT_FOUND', `there is no ${request.method} ${request.url.slice(0, 80)}`);
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'mobilenet-v2', version: '0.1.0' } },
    transform: ({ schema, url, route }) => ({ schema: { ...schema, body: route.config?.body }, url }),
  });
  const routes: RouteOptions = { pool, bodyLimit };
  for (const plugin of [health, forms, v2, v1, huggingface, sagemaker]) await app.register(plugin, routes);
  return app;
}
