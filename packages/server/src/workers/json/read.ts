/** Reading bodies of JSON that hold pictures, and writing the answer: what the protocols but v2 share. */
import { ServeError } from '../../errors.js';
import {
  type BodyAnswer,
  type How,
  MOST_PICTURES,
  type PictureAnswer,
  type PicturesJob,
  type Timing,
} from '../jobs.js';
import type { LoadedModel } from '../loaded.js';
import { checkValues } from './structure.js';

/** A picture is one string, so a body of them has little else. */
const MOST_VALUES = 10_000;

const wrong = (message: string): ServeError => new ServeError('BAD_REQUEST', message);
/** As it is quoted in an error. Text of whoever asks, so not much of it. */
const quoted = (text: string): string => JSON.stringify(text.slice(0, 60));

/** What an error says of a value that should be another. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws ServeError BAD_REQUEST, TOO_LARGE */
export function readJson(body: Uint8Array): Record<string, unknown> {
  checkValues(body, MOST_VALUES);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw wrong('body: not JSON');
  }
  if (!isObject(value)) throw wrong(`body: expected an object, got ${kindOf(value)}`);
  return value;
}

/** Refuses keys that nobody here knows: one that is spelled wrongly would be passed over in silence. */
export function checkKeys(value: Record<string, unknown>, known: readonly string[], where: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw wrong(`${where}: ${quoted(unknown)} is unknown here; known: ${known.join(', ')}`);
}

const FUNCTIONS = ['softmax', 'sigmoid', 'none'] as const;

/** `"parameters": { "top_k": 5, "threshold": 0.5 }`; null is as if it were not there. */
export function readParameters(value: unknown): How {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw wrong(`parameters: expected an object, got ${kindOf(value)}`);
  checkKeys(value, ['top_k', 'threshold', 'function_to_apply'], 'parameters');
  const how: How = {};
  const { top_k, threshold, function_to_apply } = value;
  if (top_k !== undefined && top_k !== null) {
    if (typeof top_k !== 'number' || !Number.isInteger(top_k) || top_k < 1) {
      throw wrong('parameters.top_k: expected a whole number ≥ 1');
    }
    how.top_k = top_k;
  }
  if (threshold !== undefined && threshold !== null) {
    if (typeof threshold !== 'number' || !(threshold >= 0 && threshold <= 1)) {
      throw wrong('parameters.threshold: expected a number from 0 to 1');
    }
    how.threshold = threshold;
  }
  if (function_to_apply !== undefined && function_to_apply !== null) {
    const known = FUNCTIONS.find((name) => name === function_to_apply);
    if (known === undefined) throw wrong(`parameters.function_to_apply: expected ${FUNCTIONS.join(', ')}`);
    how.function_to_apply = known;
  }
  return how;
}

/**
 * What base64 has nowhere: Python's base64.encodebytes breaks lines, URL-safe letters are as good, and "=" is at the end. It
 * looks for what is wrong, since a pattern of what is right would go back and forth over a long text.
 */
const NOT_BASE64 = /[^A-Za-z0-9+/_\-=\r\n]|=[\r\n]*[^=\r\n]/;
const DATA_URL = /^data:[^,]{0,200};base64,/;

/**
 * The bytes of a picture in base64, or in a `data:` URL with base64.
 * @throws ServeError BAD_REQUEST, also for URLs: whoever asks sends the picture, this server fetches nothing
 */
export function readPicture(value: unknown, where: string): Uint8Array {
  if (typeof value !== 'string') throw wrong(`${where}: expected a picture in base64, got ${kindOf(value)}`);
  if (/^(https?|file|ftp):/i.test(value)) {
    throw wrong(`${where}: URLs are not fetched; send the picture's bytes in base64`);
  }
  const text = value.slice(DATA_URL.exec(value)?.[0].length ?? 0);
  if (text === '' || NOT_BASE64.test(text)) throw wrong(`${where}: not base64, nor a data: URL with base64`);
  return Buffer.from(text, 'base64');
}

/** At least one, at most MOST_PICTURES. */
export function checkCount(count: number, where: string): void {
  if (count < 1) throw wrong(`${where}: expected a picture at least`);
  if (count > MOST_PICTURES)
    throw new ServeError('TOO_LARGE', `${where}: at most ${MOST_PICTURES} pictures, got ${count}`);
}

/** What a picture gave that could be read. */
export type GoodAnswer = Exclude<PictureAnswer, { error: unknown }>;

/** Pictures with their place in the body, which errors name. */
export interface Asked extends How {
  pictures: readonly Uint8Array[];
  where(index: number): string;
}

/**
 * Has the model compute what is asked, and writes it: of one picture that cannot be read the whole request fails.
 * @throws ServeError
 */
export async function answerPictures(
  model: LoadedModel,
  start: number,
  { pictures, where, ...how }: Asked & { task?: PicturesJob['task'] | undefined },
  write: (answers: GoodAnswer[]) => unknown,
): Promise<Omit<BodyAnswer, 'kind'>> {
  const { task = model.description.tasks[0], ...wanted } = how;
  const read = performance.now();
  const answers = (await model.pictures({ task, pictures, ...wanted })).map((answer, i) => {
    if ('error' in answer) throw new ServeError(answer.error.kind, `${where(i)}: ${answer.error.message}`);
    return answer;
  });
  const computed = performance.now();
  const body = new TextEncoder().encode(JSON.stringify(write(answers)));
  const timing: Timing = { input: read - start, infer: computed - read, output: performance.now() - computed };
  return { body, headers: { 'content-type': 'application/json' }, count: pictures.length, timing };
}

export const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
