/**
 * Bodies of `:predict`, of KServe v1 and TensorFlow Serving, which differ in nothing here.
 *
 *     {"instances": [{"b64": "…"}]}            {"predictions": [{"classes": […], "scores": […]}]}
 *     {"inputs": {"image": [{"b64": "…"}]}}    {"outputs": {"classes": [[…]], "scores": [[…]]}}
 *
 * https://www.tensorflow.org/tfx/serving/api_rest#predict_api
 */
import { ServeError } from '../../errors.js';
import type { Parser } from '../worker.js';
import {
  answerPictures,
  base64,
  checkCount,
  checkKeys,
  type GoodAnswer,
  isObject,
  kindOf,
  readJson,
  readParameters,
  readPicture,
} from './read.js';

const KEYS = ['instances', 'inputs', 'parameters', 'signature_name'];
/** The name of the one input. KServe's and Google's examples say `image_bytes`. */
const NAMES = ['image', 'image_bytes'];

const wrong = (message: string): ServeError => new ServeError('BAD_REQUEST', message);

/** `{"b64": "…"}`, TensorFlow Serving's way of writing bytes, or the text alone. */
function readBytes(value: unknown, where: string): Uint8Array {
  if (!isObject(value)) return readPicture(value, where);
  checkKeys(value, ['b64'], where);
  return readPicture(value.b64, `${where}.b64`);
}

/** The value of an object's one key, which names the input; with what is no such object nothing is done. */
function named(value: unknown, where: string): [value: unknown, where: string] {
  if (!isObject(value) || Object.hasOwn(value, 'b64')) return [value, where];
  checkKeys(value, NAMES, where);
  const [name, ...more] = Object.keys(value);
  if (name === undefined || more.length > 0) throw wrong(`${where}: expected one of ${NAMES.join(', ')}`);
  return [value[name], `${where}.${name}`];
}

function listOf(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) throw wrong(`${where}: expected a list of pictures, got ${kindOf(value)}`);
  checkCount(value.length, where);
  return value;
}

type Outputs = Record<string, unknown> | number[];

/** The outputs of one picture by their names; features are the only output, so they have none. */
function outputsOf(answer: GoodAnswer): Outputs {
  if ('features' in answer) return Array.from(answer.features);
  if ('labels' in answer) {
    return { classes: answer.labels.map(({ label }) => label), scores: answer.labels.map(({ score }) => score) };
  }
  return {
    classes: answer.segments.map(({ label }) => label),
    masks: answer.segments.map(({ mask }) => ({ b64: base64(mask) })),
  };
}

/** From a record for every picture to a list for every output. */
function columns(outputs: Outputs[]): unknown {
  if (Array.isArray(outputs[0])) return outputs;
  const rows = outputs as Record<string, unknown>[];
  return Object.fromEntries(Object.keys(rows[0]).map((name) => [name, rows.map((row) => row[name])]));
}

export const answer: Parser = async ({ body }, model) => {
  const start = performance.now();
  const request = readJson(body);
  checkKeys(request, KEYS, 'body');
  const { instances, inputs, signature_name = 'serving_default' } = request;
  if (signature_name !== 'serving_default') throw wrong('signature_name: there is "serving_default" only');
  const inRows = instances !== undefined;
  if (inRows === (inputs !== undefined)) throw wrong('body: expected either "instances" or "inputs"');
  const [values, place] = inRows ? [instances, 'instances'] : named(inputs, 'inputs');
  const found = listOf(values, place).map((value, i) => named(value, `${place}[${i}]`));
  const pictures = found.map(([value, where]) => readBytes(value, where));
  const where = (i: number) => found[i][1];
  const how = readParameters(request.parameters);
  return answerPictures(model, start, { pictures, where, ...how }, (answers) => {
    const outputs = answers.map(outputsOf);
    return inRows ? { predictions: outputs } : { outputs: columns(outputs) };
  });
};
