/** KServe's protocol v1 and TensorFlow Serving's REST API, which share their paths. */
import { ServeError } from '../../errors.js';
import type { ModelDescription } from '../../workers/jobs.js';
import type { WorkerPool } from '../../workers/pool.js';
import type { Routes } from '../app.js';
import { sendJson } from './bodies.js';
import { ALIVE_ANSWER, MODELS_ANSWER, PREDICT_ANSWER, PREDICT_BODY, STATUS_ANSWER } from './schemas.js';

interface Params {
  name: string;
  version?: string;
}

/** Each model has version 1. ovmsclient asks for 0 when it means any. */
function find(pool: WorkerPool, { name, version = '1' }: Params): ModelDescription {
  const model = pool.find(name);
  if (version === model.version || version === '0') return model;
  throw new ServeError('NOT_FOUND', `model ${name}: there is version ${model.version} only`);
}

const status = ({ name, version }: ModelDescription): object => ({
  name,
  ready: true,
  model_version_status: [{ version, state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } }],
});

/** TensorFlow Serving writes fields as its .proto does, OpenVINO's model server as JSON does. Here are both. */
function tensorInfo(name: string, dtype: string, sizes: readonly number[]): object {
  const dim = sizes.map((size) => ({ size: String(size), name: '' }));
  const shape = { dim, unknownRank: false, unknown_rank: false };
  return { name, dtype, tensorShape: shape, tensor_shape: shape };
}

function metadata({ name, version, tasks, outputs }: ModelDescription): object {
  const strings = (output: string) => [output, tensorInfo(output, 'DT_STRING', [-1, -1])];
  const features = outputs.find((output) => output.name === 'pooler_output')?.shape ?? [-1, -1];
  const results = {
    classify: [strings('classes'), ['scores', tensorInfo('scores', 'DT_FLOAT', [-1, -1])]],
    segment: [strings('classes'), strings('masks')],
    features: [['features', tensorInfo('features', 'DT_FLOAT', features)]],
  }[tasks[0]];
  const spec = { name, version, signatureName: '', signature_name: '' };
  const signatures = {
    serving_default: {
      inputs: { image: tensorInfo('image', 'DT_STRING', [-1]) },
      outputs: Object.fromEntries(results),
      methodName: 'tensorflow/serving/predict',
      method_name: 'tensorflow/serving/predict',
    },
  };
  const metadata = { signature_def: { signatureDef: signatures, signature_def: signatures } };
  return { modelSpec: spec, model_spec: spec, metadata };
}

export const v1: Routes = async (app, { pool }) => {
  app.get(
    '/',
    { config: { open: true, answer: ALIVE_ANSWER }, schema: { summary: 'Is the server there? (KServe v1)' } },
    async () => ({
      status: 'alive',
    }),
  );
  app.get(
    '/v1/models',
    { config: { answer: MODELS_ANSWER }, schema: { summary: 'Names of the models (KServe v1)' } },
    async () => ({
      models: [...pool.models.keys()],
    }),
  );
  // A parameter ends before a colon. In a path of fastify, two colons mean one real colon.
  const model = '/v1/models/:name(^[^:/]+)';
  for (const path of [model, `${model}/versions/:version(^[^:/]+)`]) {
    app.get<{ Params: Params }>(
      path,
      { config: { answer: STATUS_ANSWER }, schema: { summary: 'Is the model ready? (v1)' } },
      async ({ params }) => status(find(pool, params)),
    );
    app.get<{ Params: Params }>(
      `${path}/metadata`,
      { schema: { summary: "Inputs and outputs, as TensorFlow Serving's" } },
      async ({ params }) => metadata(find(pool, params)),
    );
    const config = { body: PREDICT_BODY, answer: PREDICT_ANSWER };
    const schema = { summary: 'Predict (KServe v1, TensorFlow Serving, Vertex AI)' };
    app.post<{ Params: Params }>(`${path}::predict`, { config, schema }, (request, reply) =>
      sendJson(pool, request, reply, { name: find(pool, request.params).name, json: 'v1' }),
    );
  }
};
