/** The answer of the Open Inference Protocol: tensors as JSON, or as bytes after it. */
import { base64 } from '../workers/json/read.js';
import { bytesOf, HEADER, joinBody, packElements } from './binary.js';
import type { InferRequest } from './messages.js';
import { flag } from './messages.js';
import { refuse } from './refuse.js';

/** FP32 are numbers; BYTES are texts, or files as they are. */
export interface OutputTensor {
  name: string;
  shape: readonly number[];
  data: Float32Array | readonly string[] | readonly Uint8Array[];
}

/** Who answers. */
export interface Answering {
  model_name: string;
  model_version: string;
}

/** The bytes of an answer, and its headers. */
export function writeAnswer(
  who: Answering,
  request: InferRequest,
  tensors: readonly OutputTensor[],
): { body: Uint8Array; headers: Record<string, string> } {
  const parts: Uint8Array[] = [];
  const outputs = tensors.map((tensor) => {
    if (!isBinary(request, tensor.name)) return written(tensor);
    const bytes = packed(tensor);
    parts.push(bytes);
    return { ...headOf(tensor), parameters: { binary_data_size: bytes.length } };
  });
  const { body, header } = joinBody(
    { ...who, ...(request.id === undefined ? {} : { id: request.id }), outputs },
    parts,
  );
  if (parts.length === 0) return { body, headers: { 'content-type': 'application/json' } };
  return { body, headers: { 'content-type': 'application/octet-stream', [HEADER]: String(header) } };
}

/** An output says for itself how it wants to come; else the request says it for all. */
function isBinary({ outputs = [], parameters }: InferRequest, name: string): boolean {
  const i = outputs.findIndex((output) => output.name === name);
  const own = i < 0 ? undefined : flag(outputs[i].parameters, 'binary_data', `outputs[${i}]`);
  return own ?? flag(parameters, 'binary_data_output', 'request') ?? false;
}

const headOf = ({ name, shape, data }: OutputTensor) => ({
  name,
  datatype: data instanceof Float32Array ? 'FP32' : 'BYTES',
  shape,
});

function packed({ data }: OutputTensor): Uint8Array {
  if (data instanceof Float32Array) return bytesOf(data);
  return packElements(data.map((element) => (typeof element === 'string' ? Buffer.from(element) : element)));
}

function written(tensor: OutputTensor) {
  const { name, data } = tensor;
  if (data instanceof Float32Array) {
    const odd = data.findIndex((value) => !Number.isFinite(value));
    // Which JSON cannot say.
    if (odd >= 0) throw refuse(`${name}[${odd}]`, 'smaller inputs, which give finite numbers', data[odd]);
    return { ...headOf(tensor), data: Array.from(data) };
  }
  if (data.every((element) => typeof element === 'string')) return { ...headOf(tensor), data };
  const texts = data.map((element) => base64(element as Uint8Array));
  return { ...headOf(tensor), parameters: { content_type: 'base64' }, data: texts };
}
