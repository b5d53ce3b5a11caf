/** Is it there, is it ready, what does it do: for probes and Prometheus. Nothing here waits for a worker. */
import type { Routes } from '../app.js';

const STATUS = {
  type: 'object',
  properties: { status: { type: 'string' } },
  required: ['status'],
} as const;

export const health: Routes = async (app) => {
  for (const path of ['/livez', '/health']) {
    const schema = { summary: 'Is the server there?', response: { 200: STATUS } };
    app.get(path, { config: { open: true }, schema }, async () => ({ status: 'ok' }));
  }
};
