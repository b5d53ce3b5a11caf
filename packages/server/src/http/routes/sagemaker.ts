/** What SageMaker calls containers by, and MLflow, which serves as it does. */
import type { Routes } from '../app.js';
import { sendAnswer } from './bodies.js';
import { INVOCATIONS_BODY } from './schemas.js';

export const sagemaker: Routes = async (app, { pool }) => {
  app.get('/ping', { config: { open: true }, schema: { summary: 'Is the server there? (SageMaker)' } }, async () => ({
    status: 'ok',
  }));
  const config = { body: INVOCATIONS_BODY };
  app.post('/invocations', { config, schema: { summary: 'Predict (SageMaker)' } }, (request, reply) => {
    const name = request.headers['x-amzn-sagemaker-target-model'];
    return sendAnswer(pool, request, reply, { name: Array.isArray(name) ? name[0] : name, json: 'invocations' });
  });
};
