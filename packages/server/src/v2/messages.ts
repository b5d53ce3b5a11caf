/**
 * The request of the Open Inference Protocol, as JSON has it, and its checks. What a request means for a model, infer.ts says.
 * https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
 */
import { isObject } from '../workers/json/read.js';
import { refuse } from './refuse.js';

/** Free to say anything; what nobody here knows is left alone, as the protocol wants it. */
export type Parameters = Readonly<Record<string, unknown>>;

export interface RequestInput {
  name: string;
  shape: readonly number[];
  datatype: string;
  parameters: Parameters;
  /** Undefined where the values follow the JSON as bytes. */
  data: unknown;
}

export interface RequestOutput {
  name: string;
  parameters: Parameters;
}

export interface InferRequest {
  id: string | undefined;
  parameters: Parameters;
  inputs: readonly RequestInput[];
  /** Undefined for all outputs. */
  outputs: readonly RequestOutput[] | undefined;
}

/** Types of elements that the protocol has. */
const DATATYPES = [
  ...['BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64'],
  ...['FP16', 'BF16', 'FP32', 'FP64', 'BYTES'],
];
/** More than any model here has. */
const MOST_TENSORS = 16;
const MOST_DIMS = 8;

/** @throws ServeError BAD_REQUEST for what is no request of the protocol */
export function checkRequest(value: unknown): InferRequest {
  const { id, parameters, inputs, outputs } = object(value, 'request');
  if (isGiven(id) && typeof id !== 'string') throw refuse('id', 'a string', id);
  const request = {
    id: isGiven(id) ? (id as string) : undefined,
    parameters: checkParameters(parameters, 'parameters'),
    inputs: list(inputs, 'inputs').map((input, i) => checkInput(input, `inputs[${i}]`)),
    outputs: isGiven(outputs)
      ? list(outputs, 'outputs').map((output, i) => checkOutput(output, `outputs[${i}]`))
      : undefined,
  };
  checkOnce(request.inputs, 'inputs');
  checkOnce(request.outputs ?? [], 'outputs');
  return request.outputs?.length === 0 ? { ...request, outputs: undefined } : request;
}

function checkInput(value: unknown, where: string): RequestInput {
  const { name, shape, datatype, parameters, data } = object(value, where);
  return {
    name: text(name, `${where}.name`),
    shape: checkShape(shape, `${where}.shape`),
    datatype: checkDatatype(datatype, `${where}.datatype`),
    parameters: checkParameters(parameters, `${where}.parameters`),
    data: data ?? undefined,
  };
}

function checkOutput(value: unknown, where: string): RequestOutput {
  const { name, parameters } = object(value, where);
  return { name: text(name, `${where}.name`), parameters: checkParameters(parameters, `${where}.parameters`) };
}

function checkParameters(value: unknown, where: string): Parameters {
  if (!isGiven(value)) return {};
  const parameters = object(value, where);
  const shared = Object.keys(parameters).find((key) => key.startsWith('shared_memory_'));
  // Only Triton has it. Without this error, the client would look for the answer in its memory and not find it.
  if (shared !== undefined) throw refuse(where, 'tensors in the request (there is no shared memory here)', shared);
  return parameters;
}

function checkShape(value: unknown, where: string): readonly number[] {
  const fits =
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= MOST_DIMS &&
    value.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!fits) throw refuse(where, `1 to ${MOST_DIMS} whole numbers`, value);
  return value;
}

function checkDatatype(value: unknown, where: string): string {
  const name = text(value, where);
  if (!DATATYPES.includes(name)) throw refuse(where, `one of ${DATATYPES.join(', ')}`, name);
  return name;
}

function checkOnce(tensors: readonly { name: string }[], where: string): void {
  const names = tensors.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw refuse(where, 'every name once', twice);
}

/** Clients that write every field of theirs write null for what they do not have. */
const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

function object(value: unknown, where: string): Record<string, unknown> {
  if (isObject(value)) return value;
  throw refuse(where, 'an object', value);
}

function list(value: unknown, where: string): unknown[] {
  if (Array.isArray(value) && value.length <= MOST_TENSORS) return value;
  throw refuse(where, `an array of at most ${MOST_TENSORS} tensors`, value);
}

function text(value: unknown, where: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw refuse(where, 'a string', value);
}

/** A parameter that says yes or no. */
export function flag(parameters: Parameters, name: string, where: string): boolean | undefined {
  const value = parameters[name];
  if (!isGiven(value)) return undefined;
  if (typeof value !== 'boolean') throw refuse(`${where}.parameters.${name}`, 'true or false', value);
  return value;
}

/** A parameter that is a whole number from `least` on. */
export function whole(parameters: Parameters, name: string, where: string, least: number): number | undefined {
  const value = parameters[name];
  if (!isGiven(value)) return undefined;
  const fits = typeof value === 'number' && Number.isSafeInteger(value) && value >= least;
  if (!fits) throw refuse(`${where}.parameters.${name}`, `a whole number ≥ ${least}`, value);
  return value;
}
