/** Is it there, is it ready, what does it do: for probes and Prometheus. Nothing here waits for a worker. */
import { ServeError } from '../../errors.js';
import type { Routes } from '../app.js';

const STATUS = {
  type: 'object',
  properties: { status: { type: 'string' } },
  required: ['status'],
} as const;

export const health: Routes = async (app, { lifecycle, metrics }) => {
  const response = { 200: STATUS };
  for (const path of ['/livez', '/health']) {
    app.get(path, { config: { open: true }, schema: { summary: 'Is the server there?', response } }, async () => ({
      status: 'ok',
    }));
  }
  const ready = { summary: 'May requests be sent? 503 while the server ends', response };
  app.get('/readyz', { config: { open: true }, schema: ready }, async () => {
    if (!lifecycle.ready) throw new ServeError('CLOSING', 'the server ends');
    return { status: 'ok' };
  });
  app.get('/metrics', { schema: { summary: "Prometheus's text" } }, async (_request, reply) => {
    reply.type(metrics.contentType);
    return metrics.metrics();
  });
};
