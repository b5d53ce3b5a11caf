/**
 * ModelInfer's messages as bodies of HTTP's binary extension: JSON, and after it the tensors' bytes. So the worker knows one
 * kind of request, and what is right there is right here.
 */
import { bytesOf, joinBody, packElements } from '../v2/binary.js';
import { refuse } from '../v2/refuse.js';

/** InferParameter: `parameter_choice` names the field that is set. */
type Parameter = { parameter_choice?: string } & Record<string, unknown>;
type Parameters = Record<string, Parameter>;

interface Contents {
  fp32_contents: number[];
  bytes_contents: Uint8Array[];
}

/** ModelInferRequest as proto-loader gives it. */
export interface ModelInferRequest {
  model_name: string;
  model_version: string;
  id: string;
  parameters: Parameters;
  inputs: { name: string; datatype: string; shape: number[]; parameters: Parameters; contents: Contents | null }[];
  outputs: { name: string; parameters: Parameters }[];
  raw_input_contents: Uint8Array[];
}

export interface ModelInferResponse {
  model_name: string;
  model_version: string;
  id: string;
  outputs: { name: string; datatype: string; shape: number[] }[];
  raw_output_contents: Uint8Array[];
}

/** What a parameter says. */
export const valueIn = (parameter: Parameter | undefined): unknown =>
  parameter?.[parameter.parameter_choice ?? ''] ?? null;

const plain = (parameters: Parameters): Record<string, unknown> =>
  Object.fromEntries(Object.entries(parameters).map(([name, parameter]) => [name, valueIn(parameter)]));

/** @throws ServeError BAD_REQUEST */
export function toBody(request: ModelInferRequest): { body: Uint8Array; header: number } {
  const { id, parameters, inputs, outputs, raw_input_contents: raw } = request;
  if (raw.length > 0 && raw.length !== inputs.length) {
    throw refuse('raw_input_contents', `one for each of ${inputs.length} inputs, or none`, raw.length);
  }
  const parts = raw.length > 0 ? raw : inputs.map(packed);
  const json = {
    ...(id === '' ? {} : { id }),
    parameters: { ...plain(parameters), binary_data_output: true },
    inputs: inputs.map((input, i) => ({
      name: input.name,
      datatype: input.datatype,
      shape: input.shape,
      parameters: { ...plain(input.parameters), binary_data_size: parts[i].length },
    })),
    outputs: outputs.map((output) => ({
      name: output.name,
      parameters: { ...plain(output.parameters), binary_data: true },
    })),
  };
  return joinBody(json, parts);
}

/** The values of `contents` as raw_input_contents would have them. Types that no model takes are refused by the worker. */
function packed({ datatype, contents }: ModelInferRequest['inputs'][number]): Uint8Array {
  if (datatype === 'FP32') return bytesOf(Float32Array.from(contents?.fp32_contents ?? []));
  return datatype === 'BYTES' ? packElements(contents?.bytes_contents ?? []) : new Uint8Array(0);
}

/** @param header how many bytes of the body are JSON */
export function fromBody(body: Uint8Array, header: number): ModelInferResponse {
  const bytes = Buffer.from(body.buffer as ArrayBuffer, body.byteOffset, body.length);
  const { model_name, model_version, id = '', outputs } = JSON.parse(bytes.toString('utf8', 0, header));
  let at = header;
  const raw_output_contents: Uint8Array[] = [];
  for (const output of outputs) {
    const size: number = output.parameters.binary_data_size;
    raw_output_contents.push(bytes.subarray(at, at + size));
    at += size;
  }
  const heads = outputs.map(({ name, datatype, shape }: ModelInferResponse['outputs'][number]) => ({
    name,
    datatype,
    shape,
  }));
  return { model_name, model_version, id, outputs: heads, raw_output_contents };
}
