/** What SageMaker calls containers by, and MLflow, which serves as it does. */
import type { Routes } from '../app.js';
import { sendAnswer } from './bodies.js';
import { ALIVE_ANSWER, INVOCATIONS_ANSWER, INVOCATIONS_BODY } from './schemas.js';

export const sagemaker: Routes = async (app, { pool }) => {
  const ping = { open: true, answer: ALIVE_ANSWER };
  app.get('/ping', { config: ping, schema: { summary: 'Is the server there? (SageMaker)' } }, async () => ({
    status: 'ok',
  }));
  const config = { body: INVOCATIONS_BODY, answer: INVOCATIONS_ANSWER };
  app.post('/invocations', { config, schema: { summary: 'Predict (SageMaker)' } }, (request, reply) => {
    const name = request.headers['x-amzn-sagemaker-target-model'];
    return sendAnswer(pool, request, reply, { name: Array.isArray(name) ? name[0] : name, json: 'invocations' });
  });
};
