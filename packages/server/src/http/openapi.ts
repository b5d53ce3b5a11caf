/** `/openapi.json`: every route, with the bodies that it takes and the one shape that all errors have. */
import swagger from '@fastify/swagger';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { VERSION } from '../version.js';

const ERROR = {
  type: 'object',
  properties: { error: { type: 'string' } },
  required: ['error'],
} as const;

/** Of a route's own schema what its users see. */
function documented(schema: object | undefined, config: RouteOptions['config']): object {
  const errors = {
    '4xx': { description: 'What is wrong with the request', ...ERROR },
    '5xx': { description: 'Try again later, or elsewhere', ...ERROR },
  };
  const body = config?.body === undefined ? {} : { body: config.body };
  const answer = { description: 'The answer', ...config?.answer };
  return { ...schema, ...body, response: { 200: answer, ...errors } };
}

/** @param secured whether a token is asked for */
export async function describeRoutes(app: FastifyInstance, secured: boolean): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'mobilenet-v2-server',
        version: VERSION,
        description: 'MobileNetV2 behind the protocols that inference servers speak.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
    transform: ({ schema, url, route }) => {
      const security = secured && !route.config?.open ? { security: [{ token: [] }] } : {};
      return { schema: { ...documented(schema, route.config), ...security }, url };
    },
  });
  app.get('/openapi.json', { schema: { summary: 'This description' } }, async () => app.swagger());
}
