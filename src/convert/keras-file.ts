/**
 * Keras's files to layers and variables:
 *
 *   .h5          attribute model_config (absent in a file of weights), model_weights/…/LAYER/VARIABLE, perhaps with ":0" at the end
 *   .keras       a zip of config.json and model.weights.h5
 *   .weights.h5  …/CLASS_7/vars/0, where the attribute `name` of `vars` is the layer's name. Keras before 3.3 wrote no
 *                names: then the graph's layers are counted, class by class, as Keras counts them.
 *
 * Source: Keras 3.15, src/saving/saving_lib.py and src/legacy/saving/legacy_h5_format.py.
 */
import { env } from '../base/env.js';
import { MobileNetError, show } from '../base/errors.js';
import { isJsonObject, type JsonObject, type JsonValue, jsonText, parseJson, showJson } from '../base/json.js';
import { Hdf5, type Hdf5Dataset } from '../formats/hdf5.js';
import type { StoredTensor } from '../formats/stored.js';
import type { Unpacking } from '../formats/unpacking.js';
import type { Zip } from '../formats/zip.js';
import { BACKBONE, type KerasModel } from './keras.js';

const ZIP_CONFIG = 'config.json';
const ZIP_METADATA = 'metadata.json';
const ZIP_WEIGHTS = 'model.weights.h5';
/** What training keeps beside the model. */
const TRAINING = /^(?:optimizer|optimizer_weights|_?metrics?|loss_tracker)(?:\/|$)/;
const NUMBERED = /^(?:(.*)\/)?vars\/(\d+)$/;

export const isKerasZip = (zip: Zip): boolean => zip.entries.has(ZIP_CONFIG) && zip.entries.has(ZIP_WEIGHTS);

/** @throws MobileNetError as the readers of zip, JSON and HDF5 do */
export async function readKerasZip(zip: Zip, file: string, signal?: AbortSignal): Promise<KerasModel> {
  const { jsonBytes, weightsBytes } = env.limits;
  const config = await zip.unpack(zip.entries.get(ZIP_CONFIG)!, jsonBytes, signal);
  const weights = await zip.unpack(zip.entries.get(ZIP_WEIGHTS)!, weightsBytes, signal);
  const { unpacking } = zip;
  const topology = graphOf(config, `${file}/${ZIP_CONFIG}`);
  const model = readKerasH5(weights, `${file}/${ZIP_WEIGHTS}`, { topology, unpacking });
  const metadata = zip.entries.get(ZIP_METADATA);
  if (metadata === undefined) return model;
  const { keras_version: version } = graphOf(await zip.unpack(metadata, jsonBytes, signal), `${file}/${ZIP_METADATA}`);
  return { ...model, version: typeof version === 'string' ? version : undefined };
}

/**
 * No tensor is unpacked here: which of them are wanted is not known yet.
 * @param within the graph, where it is not in this file itself, and the zip's count where the file is in one
 */
export function readKerasH5(
  bytes: Uint8Array,
  file: string,
  { topology, unpacking }: { topology?: JsonObject; unpacking?: Unpacking } = {},
): KerasModel {
  const hdf5 = new Hdf5(bytes, { file, ...(unpacking && { unpacking }) });
  const config = hdf5.attribute('', 'model_config');
  const graph = topology ?? (typeof config === 'string' ? graphOf(config, file) : undefined);
  const layers: KerasModel['layers'] = new Map();
  const numbered = new Map<string, Hdf5Dataset[]>();
  const known = knownLayers(graph);
  for (const dataset of hdf5.datasets.values()) {
    if (TRAINING.test(dataset.path)) continue;
    const [, layer = '', number] = NUMBERED.exec(dataset.path) ?? [];
    if (number !== undefined) {
      const others = numbered.get(layer);
      if (others === undefined) numbered.set(layer, [dataset]);
      else others.push(dataset);
    } else {
      const parts = dataset.path.replace(/:\d+$/, '').split('/');
      add(
        layers,
        layerOf(parts[0] === 'model_weights' ? parts.slice(1) : parts, known),
        parts.at(-1)!,
        hdf5.tensor(dataset),
      );
    }
  }
  const names = graph === undefined ? new Map<string, string>() : namesByPath(graph);
  for (const [path, datasets] of numbered) {
    const label = hdf5.attribute(path === '' ? 'vars' : `${path}/vars`, 'name');
    const name = typeof label === 'string' ? label : (names.get(path) ?? path);
    const tensors: StoredTensor[] = [];
    for (const dataset of datasets) {
      // Random layers count their draws in integers.
      if (dataset.dtype !== 'U32' && dataset.dtype !== 'I64' && dataset.dtype !== 'I32')
        tensors.push(hdf5.tensor(dataset));
    }
    for (const [i, variable] of variablesOf(tensors).entries()) add(layers, name, variable, tensors[i]);
  }
  const version = hdf5.attribute('', 'keras_version');
  return { layers, topology: graph, version: typeof version === 'string' ? version : undefined };
}

/** The names of layers that a variable's path may hold: those of the graph and of the backbone. */
export function knownLayers(graph: JsonObject | undefined): ReadonlySet<string> {
  return new Set([...BACKBONE, ...(graph === undefined ? [] : leavesOf(graph))]);
}

/**
 * The layer of a variable by the words of its path, GROUP/…/SCOPE/variable. The group is a layer of the model, or a model in it.
 * The scope is a layer too, but TensorFlow 1 numbered it where a name came a second time in a session: `Conv1_1` is Conv1.
 */
export function layerOf(parts: readonly string[], known: ReadonlySet<string>): string {
  const scopes = parts.slice(0, -1);
  const plain = [scopes[0], ...scopes.slice(1).reverse()].find((name) => known.has(name));
  if (plain !== undefined) return plain;
  const unnumbered = scopes.reverse().map((name) => name.replace(/_\d+$/, ''));
  return unnumbered.find((name) => known.has(name)) ?? parts.at(-2) ?? '';
}

function leavesOf(model: JsonObject): string[] {
  const { config } = model;
  const layers = Array.isArray(config) ? config : isJsonObject(config) ? config.layers : undefined;
  if (Array.isArray(layers)) return layers.filter(isJsonObject).flatMap(leavesOf);
  const name = model.name ?? (isJsonObject(config) ? config.name : undefined);
  return typeof name === 'string' ? [name] : [];
}

/** Numbered variables by name: a batch norm has four vectors, everything else a kernel and perhaps a bias. */
function variablesOf(tensors: readonly StoredTensor[]): string[] {
  const isNorm = tensors.length === 4 && tensors.every(({ dims }) => dims.length === 1);
  return tensors.map(
    (_, i) => (isNorm ? ['gamma', 'beta', 'moving_mean', 'moving_variance'] : ['kernel', 'bias'])[i] ?? `${i}`,
  );
}

export function add(layers: KerasModel['layers'], layer: string, variable: string, stored: StoredTensor): void {
  const variables = layers.get(layer) ?? new Map<string, StoredTensor>();
  layers.set(layer, variables);
  if (variables.has(variable)) {
    throw new MobileNetError(
      'DUPLICATE_KEY',
      `${stored.file}: two layers are called ${show(layer)}, so their weights cannot be told apart`,
      { file: stored.file, tensor: `${layer}/${variable}` },
    );
  }
  variables.set(variable, stored);
}

function graphOf(json: string | Uint8Array, file: string): JsonObject {
  const graph = parseJson(json, { file, code: 'CONFIG' });
  if (isJsonObject(graph)) return graph;
  throw new MobileNetError('CONFIG', `${file}: expected the graph of a Keras model, got ${showJson(graph)}`, { file });
}

/** Names of layers by the paths of their variables, as Keras makes them: CLASS, CLASS_1, … in every model. */
function namesByPath(model: JsonObject, path = '', names = new Map<string, string>()): Map<string, string> {
  const layers: JsonValue | undefined = isJsonObject(model.config) ? model.config.layers : undefined;
  if (!Array.isArray(layers)) return names;
  const counts = new Map<string, number>();
  for (const layer of layers) {
    if (!isJsonObject(layer)) continue;
    const kind = snakeCase(jsonText(layer.class_name));
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    const here = `${path}layers/${kind}${count === 0 ? '' : `_${count}`}`;
    const name = isJsonObject(layer.config) ? layer.config.name : undefined;
    names.set(here, jsonText(layer.name ?? name));
    namesByPath(layer, `${here}/`, names);
  }
  return names;
}

/** Keras's `to_snake_case`: DepthwiseConv2D is depthwise_conv2d, ReLU is re_lu. */
const snakeCase = (name: string): string =>
  name
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
