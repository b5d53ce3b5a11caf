/** A network for other threads: what it is built of, its weights in memory that all of them share. */
import { MobileNetV2Config, type MobileNetV2Model, Tensor } from '../entries/main-node.js';
import { deviceOf, type ModelOptions } from '../models/mobilenet-v2/model-options.js';
import { elementsOf } from '../models/mobilenet-v2/quantized.js';
import type { State } from '../models/mobilenet-v2/weights.js';
import { prepareEngine } from '../runtime/engines/make.js';
import { ARRAYS } from '../tensor/elements.js';
import { type Architecture, modelClass } from './checkpoint.js';

/** A network, and what is wanted of it. */
export interface NetworkOf {
  architecture: Architecture;
  /** Its weights are read once. */
  model: Pick<MobileNetV2Model, 'config' | 'state_dict'>;
  options: ModelOptions;
  /** The layer that is wanted, by the name that `activations` takes. */
  output: string;
}

/** The same as plain data, to be posted. */
export interface NetworkParts extends Pick<NetworkOf, 'architecture' | 'options' | 'output'> {
  config: Record<string, unknown>;
  weights: [name: string, tensor: Pick<StateTensor, 'type' | 'data' | 'dims'>][];
}

type StateTensor = State extends Map<string, infer T> ? T : never;

/** From pixel values [1,C,H,W] to the output. */
export type Run = (pixel_values: Tensor<'float32'>) => Promise<Tensor<'float32'>>;

/** One thread computes a picture: more of them take a quarter more time together, and all are busy with pictures of their own. */
export function partsOf({ architecture, model, options, output }: NetworkOf): NetworkParts {
  const weights = [...model.state_dict()].map(([name, { type, data, dims }]): NetworkParts['weights'][number] => {
    const shared = new SharedArrayBuffer(data.byteLength);
    new Uint8Array(shared).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return [name, { type, data: new (ARRAYS[type] as Float32ArrayConstructor)(shared), dims }];
  });
  return { architecture, config: model.config.to_dict(), options: { ...options, threads: 1 }, weights, output };
}

export async function runnerOf({ architecture, config, options, weights, output }: NetworkParts): Promise<Run> {
  const read = MobileNetV2Config.from_dict(config);
  await prepareEngine(deviceOf(options.device), options, elementsOf(read));
  const state: State = new Map(weights.map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]));
  const Model = modelClass(architecture);
  const model = new Model(read, { ...options, state });
  return async (pixel_values) => (await model.activations(pixel_values, [output])).get(output)!;
}
