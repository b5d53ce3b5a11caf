/**
 * The Open Inference Protocol over HTTP, with Triton's extensions: binary tensors, classification, configuration, statistics,
 * repository index.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ServeError } from '../../errors.js';
import { HEADER, headerLength } from '../../v2/binary.js';
import { SERVER } from '../../v2/metadata.js';
import { timeoutOf } from '../../v2/timeout.js';
import type { Routes } from '../app.js';
import { goneSignal } from '../gone.js';
import { INFER_ANSWER, INFER_BODY } from './schemas.js';

interface ModelParams {
  model: string;
  version?: string;
}
type ModelRequest = FastifyRequest<{ Params: ModelParams }>;

export const v2: Routes = async (app, { service, lifecycle }) => {
  app.get('/v2', { schema: { summary: 'The server and its extensions' } }, async () => SERVER);
  app.get(
    '/v2/health/live',
    { config: { open: true }, schema: { summary: 'Is the server there? (v2)' } },
    async () => ({ live: true }),
  );
  // By mistake, the protocol's text has `live` here; clients read `ready`.
  app.get(
    '/v2/health/ready',
    { config: { open: true }, schema: { summary: 'May requests be sent? (v2)' } },
    async (_request, reply) => reply.code(lifecycle.ready ? 200 : 503).send({ ready: lifecycle.ready, live: true }),
  );
  app.get('/v2/models', { schema: { summary: 'Names of the models (v2)' } }, async () => ({
    models: service.models(),
  }));
  app.get('/v2/models/stats', { schema: { summary: 'Statistics of all models' } }, async () => service.statistics());
  app.post('/v2/repository/index', { schema: { summary: 'All models and their states' } }, async () => service.index());

  forModel(app, 'GET', '', 'Inputs and outputs of a model', async ({ params: { model, version } }) =>
    service.metadata(model, version),
  );
  forModel(app, 'GET', '/config', "A model as Triton's configuration says it", async ({ params: { model, version } }) =>
    service.config(model, version),
  );
  forModel(app, 'GET', '/stats', 'Statistics of a model', async ({ params: { model, version } }) =>
    service.statistics(model, version),
  );
  forModel(app, 'GET', '/ready', 'Is the model ready? (v2)', async ({ params: { model, version } }) => ({
    name: service.find(model, version).name,
    ready: lifecycle.ready,
  }));
  forModel(app, 'POST', '/infer', 'Infer: JSON, or JSON and binary tensors', async (request, reply) => {
    const model = service.find(request.params.model, request.params.version);
    if (!Buffer.isBuffer(request.body)) throw new ServeError('BAD_REQUEST', 'body: expected a request, got nothing');
    const body = request.body;
    const header = headerLength(request.headers[HEADER] as string | undefined, body.length);
    const options = { signal: goneSignal(reply), timeout: timeoutOf(body, header) };
    const answer = await service.infer(model, body, header, options);
    return reply.headers(answer.headers).send(answer.body);
  });
};

/** A route of a model, with its version in the path and without. */
function forModel(
  app: FastifyInstance,
  method: 'GET' | 'POST',
  rest: string,
  summary: string,
  handler: (request: ModelRequest, reply: FastifyReply) => Promise<unknown>,
): void {
  const config = rest === '/infer' ? { body: INFER_BODY, answer: INFER_ANSWER } : {};
  for (const version of ['', '/versions/:version']) {
    app.route({ method, url: `/v2/models/:model${version}${rest}`, schema: { summary }, config, handler });
  }
}
