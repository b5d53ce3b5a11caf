/** Is it there, is it ready, what does it do: for probes and Prometheus. Nothing here waits for a worker. */
import { ServeError } from '../../errors.js';
import type { Routes } from '../app.js';
import { ALIVE_ANSWER } from './schemas.js';

export const health: Routes = async (app, { lifecycle, metrics }) => {
  const config = { open: true, answer: ALIVE_ANSWER };
  for (const path of ['/livez', '/health']) {
    app.get(path, { config, schema: { summary: 'Is the server there?' } }, async () => ({ status: 'ok' }));
  }
  const ready = { summary: 'May requests be sent? 503 while the server ends' };
  app.get('/readyz', { config, schema: ready }, async () => {
    if (!lifecycle.ready) throw new ServeError('CLOSING', 'the server ends');
    return { status: 'ok' };
  });
  app.get('/metrics', { schema: { summary: "Prometheus's text" } }, async (_request, reply) => {
    reply.type(metrics.contentType);
    return metrics.metrics();
  });
};
