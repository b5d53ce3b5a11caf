/**
 * From the body of a request to that of its answer, in the worker. A model takes preprocessed pictures, `pixel_values`, or
 * files of pictures, `image`. The second is in no model's metadata: clients send all inputs that stand there.
 */
import { type Kind, ServeError } from '../errors.js';
import { type BodyAnswer, MOST_PICTURES, type NamedTensor, type PictureAnswer, type Task } from '../workers/jobs.js';
import type { LoadedModel } from '../workers/loaded.js';
import { largest } from './classification.js';
import { checkRequest, type InferRequest, whole } from './messages.js';
import { type OutputTensor, writeAnswer } from './outputs.js';
import { refuse, refuseAs } from './refuse.js';
import { readElements, readFloats, type Source, sourcesOf } from './values.js';

const IMAGE = 'image';
/** What is made of pictures, and not by the network alone; where no outputs are asked for, these come. */
const MADE_OF_PICTURES: Record<Task, readonly string[]> = {
  classify: ['labels', 'scores'],
  segment: ['mask', 'labels'],
  features: ['pooler_output'],
};

type PictureFailure = Extract<PictureAnswer, { error: unknown }>;

/** A request with what it asks for. */
interface Question {
  request: InferRequest;
  source: Source;
  model: LoadedModel;
}

/**
 * @param header how many bytes of the body are JSON; 0 where the body is a picture; undefined where it is JSON alone
 * @throws ServeError BAD_REQUEST, TOO_LARGE, or what the library says of a picture
 */
export async function infer(
  body: Uint8Array,
  header: number | undefined,
  model: LoadedModel,
): Promise<Omit<BodyAnswer, 'kind'>> {
  const start = performance.now();
  const question = read(body, header, model);
  const count = checkInput(question);
  const values = question.source.name === IMAGE ? readElements(question.source) : readFloats(question.source);
  const parsed = performance.now();
  const tensors =
    values instanceof Float32Array ? await ofTensor(question, values) : await ofPictures(question, values);
  const computed = performance.now();
  const { name, version } = model.description;
  const answer = writeAnswer({ model_name: name, model_version: version }, question.request, tensors);
  const timing = { input: parsed - start, infer: computed - parsed, output: performance.now() - computed };
  return { ...answer, count, timing };
}

function read(body: Uint8Array, header: number | undefined, model: LoadedModel): Question {
  if (header === 0) return rawPicture(body, model);
  const request = checkRequest(parse(header === undefined ? body : body.subarray(0, header)));
  // The main thread has read it, and lets pass what it cannot read.
  whole(request.parameters, 'timeout', 'request', 0);
  const sources = sourcesOf(request, header === undefined ? undefined : body.subarray(header));
  if (sources.length !== 1)
    throw refuse(
      'inputs',
      `one tensor, ${inputNames(model)}`,
      sources.map(({ name }) => name),
    );
  return { request, source: sources[0], model };
}

/** A body that is the bytes of one element, without its length; all outputs come as bytes. */
function rawPicture(body: Uint8Array, model: LoadedModel): Question {
  const input = { name: IMAGE, datatype: 'BYTES', shape: [1], parameters: {}, where: 'body' };
  const request = { id: undefined, parameters: { binary_data_output: true }, inputs: [], outputs: undefined };
  if (body.length === 0) throw refuseAs('body', 'a picture', 'no bytes');
  return { request, source: { ...input, bytes: undefined, data: [body] }, model };
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw refuseAs('body', 'JSON in UTF-8', (error as Error).message);
  }
}

const inputNames = ({ description }: LoadedModel): string => `${description.input.name} or ${IMAGE}`;

/** The number of pictures. */
function checkInput({ source: { name, shape, where }, model }: Question): number {
  const { input } = model.description;
  if (name !== input.name && name !== IMAGE) throw refuse(`${where}.name`, inputNames(model), name);
  // Clients that know of batches write [N,1] for N elements.
  const fits =
    name === IMAGE
      ? shape.length === 1 || (shape.length === 2 && shape[1] === 1)
      : shape.length === input.shape.length && shape.every((size, i) => i === 0 || size === input.shape[i]);
  const wanted = name === IMAGE ? '[N]' : `[N,${input.shape.slice(1).join(',')}]`;
  if (!fits || shape[0] < 1) throw refuse(`${where}.shape`, `${wanted}, N from 1 to ${MOST_PICTURES}`, shape);
  if (shape[0] > MOST_PICTURES) throw refuse(`${where}.shape`, `at most ${MOST_PICTURES} pictures`, shape, 'TOO_LARGE');
  return shape[0];
}

/** What the network makes of preprocessed pictures. */
async function ofTensor(question: Question, values: Float32Array): Promise<OutputTensor[]> {
  const { request, source, model } = question;
  const names = namesOf(question, model.outputNames);
  const found = await model.run(values, source.shape, names);
  return found.map((tensor) => asked(tensor, request, model));
}

/** The same of files of pictures, and what is for people: labels, scores, masks. */
async function ofPictures(question: Question, pictures: Uint8Array[]): Promise<OutputTensor[]> {
  const { request, model } = question;
  const [task] = model.description.tasks;
  const made = MADE_OF_PICTURES[task];
  // Whole pictures are segmented. Logits of them would have as many sizes as pictures have.
  const known = task === 'segment' ? made : [...new Set([...made, ...model.outputNames])];
  const names = namesOf(question, known, made);
  const tensors = new Map<string, OutputTensor>();
  const forPeople = task === 'features' ? [] : names.filter((name) => made.includes(name));
  if (forPeople.length > 0) {
    const results = task === 'segment' ? await masks(question, pictures) : await labels(question, pictures);
    for (const tensor of results) tensors.set(tensor.name, tensor);
  }
  const ofNetwork = names.filter((name) => !forPeople.includes(name));
  if (ofNetwork.length > 0) {
    const { data, dims } = await model.pixels(pictures);
    for (const tensor of await model.run(data, dims, ofNetwork))
      tensors.set(tensor.name, asked(tensor, request, model));
  }
  return names.map((name) => tensors.get(name)!);
}

/** The outputs asked for, each of them known. */
function namesOf({ request, model }: Question, known: readonly string[], usual?: readonly string[]): readonly string[] {
  const { outputs } = request;
  if (outputs === undefined) return usual ?? model.description.outputs.map(({ name }) => name);
  const names = outputs.map(({ name }) => name);
  const unknown = names.findIndex((name) => !known.includes(name));
  if (unknown >= 0) throw refuse(`outputs[${unknown}].name`, `one of ${known.join(', ')}`, names[unknown]);
  return names;
}

/** A tensor of the network, or the classes in it that the output asks for. */
function asked({ name, dims, data }: NamedTensor, { outputs = [] }: InferRequest, model: LoadedModel): OutputTensor {
  const tensor = { name, shape: dims, data };
  const i = outputs.findIndex((output) => output.name === name);
  const count = i < 0 ? undefined : whole(outputs[i].parameters, 'classification', `outputs[${i}]`, 1);
  if (count === undefined) return tensor;
  if (dims.length !== 2) throw refuse(`outputs[${i}].parameters.classification`, 'it with an output [N,K]', dims);
  return largest(tensor, count, name === 'logits' ? model.description.labels : []);
}

async function labels({ request, model, source }: Question, pictures: Uint8Array[]): Promise<OutputTensor[]> {
  const top_k = whole(request.parameters, 'top_k', 'request', 1) ?? 5;
  const found = await model.pictures({ task: 'classify', pictures, top_k });
  const rows = found.map((answer, i) => {
    if ('labels' in answer) return answer.labels;
    throw notRead((answer as PictureFailure).error, `${source.where}[${i}]`);
  });
  const shape = [rows.length, rows[0].length];
  return [
    { name: 'labels', shape, data: rows.flat().map(({ label }) => label) },
    { name: 'scores', shape, data: Float32Array.from(rows.flat(), ({ score }) => score) },
  ];
}

/** A picture's classes as a picture: a PNG with a palette whose values are numbers of classes, and the names of these. */
async function masks({ model, source }: Question, pictures: Uint8Array[]): Promise<OutputTensor[]> {
  const found = await model.pictures({ task: 'segment', pictures, segmentation: 'map' });
  const data = found.map((answer, i) => {
    if ('map' in answer && answer.map !== undefined) return answer.map.png;
    throw notRead((answer as PictureFailure).error, `${source.where}[${i}]`);
  });
  const names = model.description.labels;
  return [
    { name: 'mask', shape: [data.length], data },
    { name: 'labels', shape: [names.length], data: names },
  ];
}

/** Which picture it was. */
const notRead = ({ kind, message }: { kind: Kind; message: string }, where: string): ServeError =>
  new ServeError(kind, `${where}: ${message}`);
