/**
 * The HTTP server: `buildApp` puts the parts together. A request goes through the check of its host, its token, the limits and
 * the unpacking of its body, then to its route. Bodies are bytes here; only workers read what is in them.
 */
import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyReply, LogController } from 'fastify';
import type { Registry } from 'prom-client';
import { asServeError, type Kind, publicMessage, ServeError, sayingOf } from '../errors.js';
import { InferenceService } from '../v2/service.js';
import { MOST_NAME } from '../workers/models.js';
import type { WorkerPool } from '../workers/pool.js';
import { unpackBodies } from './body.js';
import { guard } from './guard.js';
import { Lifecycle } from './lifecycle.js';
import { logAnswers, requestId } from './log.js';
import { type Measures, measure } from './metrics.js';
import { describeRoutes } from './openapi.js';
import { forms } from './routes/forms.js';
import { health } from './routes/health.js';
import { huggingface } from './routes/huggingface.js';
import { sagemaker } from './routes/sagemaker.js';
import { v1 } from './routes/v1.js';
import { v2 } from './routes/v2.js';

/** 64 MiB. */
export const BODY_LIMIT = 64 * 1024 * 1024;
/** A minute. */
export const REQUEST_TIMEOUT = 60_000;

export interface AppOptions {
  pool: WorkerPool;
  /** The Open Inference Protocol, where gRPC has the same; one of its own when left out. */
  service?: InferenceService;
  /** Most bytes of a body, also of what it unpacks to. Default {@link BODY_LIMIT}. */
  bodyLimit?: number;
  /** Most bytes of all bodies that are here at a time. Default 1 GiB. */
  memory?: number;
  /** How long a client may take to send a request, in milliseconds. Default {@link REQUEST_TIMEOUT}. */
  requestTimeout?: number;
  /** Hosts that requests may name; any when left out. `allowedHosts` makes the list. */
  hosts?: readonly string[];
  /** What requests must carry as `Authorization: Bearer …`; nothing when left out. */
  token?: string;
  /** Other paths for a route, as platforms ask for theirs by environment variables: from theirs to ours. */
  aliases?: Readonly<Record<string, string>>;
  /** True writes a line of JSON for each answer; a level writes that and above. */
  logger?: boolean | { level: string };
}

/** What each plugin of routes gets. */
export interface RouteOptions {
  pool: WorkerPool;
  bodyLimit: number;
  service: InferenceService;
  lifecycle: Lifecycle;
  metrics: Registry;
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
    /** The schema of the answer, for openapi.json. Not `schema.response`: fastify would write the answer by it, and a worker has done that. */
    answer?: object;
  }
  interface FastifyInstance {
    lifecycle: Lifecycle;
    measures: Measures;
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

/** Answers what is not HTTP, or came too slowly to become a request. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const large = error.code === 'HPE_HEADER_OVERFLOW';
  const status = slow ? '408 Request Timeout' : large ? '431 Request Header Fields Too Large' : '400 Bad Request';
  const message = slow ? 'the request came too slowly' : large ? 'the headers are too large' : 'this is not HTTP';
  const body = JSON.stringify({ error: message });
  const head = ['content-type: application/json', `content-length: ${body.length}`, 'connection: close'];
  socket.end(`HTTP/1.1 ${status}\r\n${head.join('\r\n')}\r\n\r\n${body}`);
}

function newFastify(
  { requestTimeout = REQUEST_TIMEOUT, logger = false, aliases = {} }: AppOptions,
  bodyLimit: number,
): FastifyInstance {
  return Fastify({
    bodyLimit,
    requestTimeout,
    // Headers are small. Node looks at its clocks this often.
    http: {
      headersTimeout: Math.min(requestTimeout, 15_000),
      connectionsCheckingInterval: Math.min(requestTimeout, 2_000),
    },
    logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestId,
    // Fastify's own limit is shorter than a name may be.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MOST_NAME },
    // What comes while it ends is answered like everything else.
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, _request, reply) => {
      const { kind, message } = ofFramework(error);
      (reply as FastifyReply).code(sayingOf(kind).http).send({ error: publicMessage({ kind, message }) });
    },
    rewriteUrl: ({ url = '/' }) => (Object.hasOwn(aliases, url) ? aliases[url] : url),
  });
}

function answerErrors(app: FastifyInstance): void {
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
}

export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { pool, service = new InferenceService(pool), hosts, token } = options;
  const { bodyLimit = BODY_LIMIT, memory = 1024 ** 3 } = options;
  const app = newFastify(options, bodyLimit);
  answerErrors(app);
  const lifecycle = new Lifecycle({ pool, bodyLimit, memory });
  app.decorate('lifecycle', lifecycle);
  const measures = measure(app, pool);
  app.decorate('measures', measures);
  logAnswers(app);
  guard(app, { ...(hosts && { hosts }), ...(token !== undefined && { token }) });
  lifecycle.watch(app);
  unpackBodies(app, bodyLimit);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  await describeRoutes(app, token !== undefined);
  const routes: RouteOptions = { pool, bodyLimit, service, lifecycle, metrics: measures.registry };
  for (const plugin of [health, forms, v2, v1, huggingface, sagemaker]) await app.register(plugin, routes);
  return app;
}
