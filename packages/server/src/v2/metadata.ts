/** What the Open Inference Protocol and Triton's extensions of it tell about the server and its models. */
import { VERSION } from '../version.js';
import { MOST_PICTURES, type ModelDescription } from '../workers/jobs.js';

export const SERVER = {
  name: 'mobilenet-v2',
  version: VERSION,
  extensions: ['binary_tensor_data', 'classification', 'model_configuration', 'model_repository', 'statistics'],
} as const;

/** `GET /v2/models/M` */
export const modelMetadata = ({ name, version, input, outputs }: ModelDescription) => ({
  name,
  versions: [version],
  platform: 'mobilenet-v2',
  inputs: [input],
  outputs,
});

/**
 * `GET /v2/models/M/config`, Triton's. With a `max_batch_size` the first dimension, that of pictures, is not among `dims`.
 * @param workers how many workers have the model
 */
export const modelConfig = ({ name, input, outputs }: ModelDescription, workers: number) => ({
  name,
  platform: '',
  backend: 'mobilenet-v2',
  max_batch_size: MOST_PICTURES,
  input: [{ name: input.name, data_type: 'TYPE_FP32', format: 'FORMAT_NCHW', dims: input.shape.slice(1) }],
  output: outputs.map((output) => ({
    name: output.name,
    data_type: 'TYPE_FP32',
    dims: output.shape.slice(1),
    label_filename: '',
  })),
  instance_group: [{ name, kind: 'KIND_CPU', count: workers }],
});

/** One model of `POST /v2/repository/index`: all are loaded before the server answers. */
export const indexEntry = ({ name, version }: ModelDescription) => ({ name, version, state: 'READY', reason: '' });
