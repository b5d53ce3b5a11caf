/** The values of a request's tensors: from JSON, or from the bytes after it. */
import { floatsOf, unpackElements } from './binary.js';
import type { InferRequest, RequestInput } from './messages.js';
import { whole } from './messages.js';
import { refuse, refuseAs, show } from './refuse.js';

/** An input and where its values are. */
export interface Source extends RequestInput {
  /** Where it stands in the request, for errors. */
  where: string;
  /** Its bytes, where they follow the JSON. */
  bytes: Uint8Array | undefined;
}

/**
 * Gives each input its bytes.
 * @param tail the bytes after the JSON; undefined where the body is JSON alone
 * @throws ServeError BAD_REQUEST where they are more or fewer than inputs say
 */
export function sourcesOf({ inputs }: InferRequest, tail: Uint8Array | undefined): Source[] {
  let at = 0;
  const sources = inputs.map((input, i) => {
    const where = `inputs[${i}]`;
    const size = whole(input.parameters, 'binary_data_size', where, 0);
    if (size === undefined) {
      if (input.data !== undefined) return { ...input, where, bytes: undefined };
      throw refuse(`${where}.data`, 'values, or parameters.binary_data_size', undefined);
    }
    if (input.data !== undefined) throw refuseAs(where, 'either data or parameters.binary_data_size', 'both');
    if (tail === undefined) throw refuse('Inference-Header-Content-Length', 'it with binary_data_size', undefined);
    const left = tail.length - at;
    if (size > left) throw refuse(`${where}.parameters.binary_data_size`, `at most ${left} bytes that are left`, size);
    at += size;
    return { ...input, where, bytes: tail.subarray(at - size, at) };
  });
  const length = tail?.length ?? 0;
  if (at < length) throw refuse('body', `${at} bytes after the JSON, as inputs say`, length);
  return sources;
}

/** @throws ServeError BAD_REQUEST unless they are as many finite float32 as the shape says */
export function readFloats(source: Source): Float32Array {
  const { where, datatype, shape, bytes, data } = source;
  if (datatype !== 'FP32') throw refuse(`${where}.datatype`, 'FP32', datatype);
  const count = shape.reduce((a, b) => a * b, 1);
  const values = bytes === undefined ? numbers(data, shape, count, where) : floats(bytes, count, where);
  for (let i = 0; i < count; i++) {
    if (!Number.isFinite(values[i])) throw refuse(`${where}[${i}]`, 'a finite float32', values[i]);
  }
  return values;
}

function floats(bytes: Uint8Array, count: number, where: string): Float32Array {
  if (bytes.length === count * 4) return floatsOf(bytes);
  throw refuseAs(where, `${count * 4} bytes, 4 for each of ${count} values`, `${bytes.length} bytes`);
}

/** Numbers of JSON, flat or nested as the shape is. */
function numbers(data: unknown, shape: readonly number[], count: number, where: string): Float32Array {
  if (!Array.isArray(data)) throw refuse(`${where}.data`, 'an array', data);
  const values = new Float32Array(count);
  const nested = Array.isArray(data[0]);
  fill(values, 0, data, nested ? shape : [count], `${where}.data`);
  return values;
}

/** Copies a row of values, or rows of rows, to `at`. Not deeper than the shape, whatever came. */
function fill(values: Float32Array, at: number, row: unknown, [length, ...rest]: readonly number[], where: string) {
  if (!Array.isArray(row) || row.length !== length) {
    throw refuseAs(where, `an array of ${length}`, Array.isArray(row) ? `one of ${row.length}` : show(row));
  }
  if (rest.length > 0) {
    const step = rest.reduce((a, b) => a * b);
    for (let i = 0; i < length; i++) fill(values, at + i * step, row[i], rest, `${where}[${i}]`);
    return;
  }
  for (let i = 0; i < length; i++) {
    const value = row[i];
    if (typeof value !== 'number') throw refuse(`${where}[${i}]`, 'a number', value);
    values[at + i] = value;
  }
}

/** The elements of BYTES, here files of pictures; in JSON they are base64. */
export function readElements(source: Source): Uint8Array[] {
  const { where, datatype, shape, bytes, data, parameters } = source;
  if (datatype !== 'BYTES') throw refuse(`${where}.datatype`, 'BYTES', datatype);
  const count = shape.reduce((a, b) => a * b, 1);
  if (bytes !== undefined) return unpackElements(bytes, count, where);
  const { content_type } = parameters;
  if (content_type !== undefined && content_type !== null && content_type !== 'base64') {
    throw refuse(`${where}.parameters.content_type`, "'base64'", content_type);
  }
  const elements = Array.isArray(data) ? data.flat(1) : [];
  if (elements.length !== count) throw refuseAs(`${where}.data`, `an array of ${count}`, `${elements.length} elements`);
  return elements.map((element, i) => fromBase64(element, `${where}.data[${i}]`));
}

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

function fromBase64(text: unknown, where: string): Uint8Array {
  // A body that is a picture, and no JSON.
  if (text instanceof Uint8Array) return text;
  // Some encoders break lines.
  const compact = typeof text === 'string' ? text.replaceAll(/[\r\n]+/g, '') : '';
  if (compact !== '' && BASE64.test(compact)) return Buffer.from(compact, 'base64');
  // Not the text itself: messages go into logs, and pictures must not.
  throw refuseAs(where, 'a picture as base64', typeof text === 'string' ? `${text.length} characters` : show(text));
}
