/**
 * Names of classes from the files that people have them in: a line for each class, or JSON as Hugging Face, Keras, timm,
 * Teachable Machine and others write it.
 */

import { asBytes } from '../base/brands.js';
import { checkText } from '../base/check.js';
import { expected, MobileNetError, show } from '../base/errors.js';
import { refuseForeign } from '../base/foreign.js';
import { isJsonObject, type JsonObject, type JsonValue, parseJson, showJson } from '../base/json.js';

/**
 * The names in the order of the classes.
 *
 * Text has a line for each class; numbers before the names are taken off where they count from 0, and so are ImageNet's
 * (n01440764). JSON is a list, `{ id: name }`, `{ name: id }`, ImageNet's class index `{ id: [wnid, name] }`, or an object that has one
 * of these as `id2label`, `label2id`, `labels`, `label_names`, `class_names`, `classes` or `names`.
 *
 * @param given UTF-8, or UTF-16 with its byte order mark
 * @param file for messages
 * @throws MobileNetError CONFIG, saying what the file is
 */
export function parseLabels(given: Uint8Array, file: string): string[] {
  const bytes = asBytes(given);
  if (bytes === undefined) throw expected('parseLabels', 'the bytes of a file', given);
  checkText(file, 'parseLabels');
  refuseForeign(bytes, file);
  const text = decode(bytes, file);
  const start = text.trimStart();
  if (/^[[{]/.test(start) && !PYTHON_DICT.test(start)) return fromJson(parseJson(text, { file, code: 'CONFIG' }), file);
  return fromLines(text, file);
}

function decode(bytes: Uint8Array, file: string): string {
  const [first, second] = bytes;
  const utf16 =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : undefined;
  try {
    // A decoder takes the byte order mark off.
    const text = new TextDecoder(utf16 ?? 'utf-8', { fatal: true }).decode(bytes);
    if (!text.includes('\0')) return text;
  } catch {
    // said below
  }
  const zeros = bytes.subarray(0, 1000).filter((byte) => byte === 0).length;
  const got =
    zeros > 0
      ? 'UTF-16 without a byte order mark, or something other than text'
      : `bytes that are not UTF-8, as Latin-1 (Windows-1252) has them for letters like é`;
  return refuse(file, `expected text in UTF-8, got ${got}; save it as UTF-8`);
}

/** `{0: 'tench, Tinca tinca',` is how Python prints a dict, and how ImageNet's names are often passed on. */
const PYTHON_DICT = /^\{\s*\d+\s*:\s*['"]/;
const PYTHON_LINE = /^\{?\s*(\d+)\s*:\s*(['"])(.*)\2\s*[,}]*$/;
const COUNTED = /^(\d+)(?:\s*[:,;]\s*|\s+)(\S.*)$/;
const WORDNET = /^n\d{8}[\s,:]+(\S.*)$/;

function fromLines(text: string, file: string): string[] {
  const lines = text
    .trimEnd()
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim());
  const python = PYTHON_DICT.test(lines[0] ?? '') ? lines.filter((line) => line !== '' && line !== '}') : [];
  if (python.length > 0) {
    const parts = python.map((line) => PYTHON_LINE.exec(line));
    if (parts.every((part) => part !== null)) {
      const name = (raw: string) => raw.replace(/\\(['"\\])/g, '$1');
      return byNumber(
        parts.map((part) => [Number(part[1]), name(part[3])]),
        file,
      );
    }
    return refuse(file, 'is a dict as Python prints it; write it as JSON: json.dump(names, file)');
  }
  const empty = lines.indexOf('');
  if (empty >= 0) {
    return refuse(
      file,
      lines.length === 1
        ? 'expected names of classes, got an empty file'
        : `line ${empty + 1} is empty, and every line is a class`,
    );
  }
  const counted = namesOf(lines, COUNTED, ([, number, name], i) => (Number(number) === i ? name : undefined));
  if (lines.length > 1 && counted !== undefined) return counted;
  return namesOf(lines, WORDNET, ([, name]) => name) ?? lines;
}

/** What each line is named by; undefined as soon as one is of another form. Of the matches none is kept. */
function namesOf(
  lines: readonly string[],
  form: RegExp,
  take: (match: RegExpExecArray, i: number) => string | undefined,
): string[] | undefined {
  const names: string[] = [];
  for (const [i, line] of lines.entries()) {
    const match = form.exec(line);
    const name = match === null ? undefined : take(match, i);
    if (name === undefined) return undefined;
    names.push(name);
  }
  return names;
}

/** Fields of objects that hold the names, each of some program's files. */
const FIELDS = ['id2label', 'label2id', 'labels', 'label_names', 'class_names', 'classes', 'names', 'pretrained_cfg'];

function fromJson(value: JsonValue, file: string): string[] {
  if (Array.isArray(value))
    return value.map((one, i) => nameOf(one) ?? refuse(file, `expected a name for class ${i}, got ${showJson(one)}`));
  if (!isJsonObject(value)) return refuse(file, `expected names of classes, got ${showJson(value)}`);
  const entries = Object.entries(value);
  const isNumber = (text: string) => /^\d+$/.test(text);
  if (
    entries.length > 0 &&
    entries.every(([key, one]) => isNumber(key) && nameOf(one) !== undefined && typeof one !== 'number')
  ) {
    return byNumber(
      entries.map(([key, one]) => [Number(key), nameOf(one)!]),
      file,
    );
  }
  if (
    entries.length > 0 &&
    entries.every(([, one]) => Number.isSafeInteger(one) || (typeof one === 'string' && isNumber(one)))
  ) {
    return byNumber(
      entries.map(([key, one]) => [Number(one), key]),
      file,
    );
  }
  for (const field of FIELDS) {
    const inner = value[field];
    if (Array.isArray(inner) || isJsonObject(inner)) return fromJson(inner, file);
  }
  return refuse(file, describe(value));
}

function describe(value: JsonObject): string {
  const what =
    'modelTopology' in value
      ? 'a TensorFlow.js model'
      : 'model_type' in value
        ? 'a config.json without id2label'
        : 'an object';
  const keys = Object.keys(value)
    .slice(0, 4)
    .map((key) => show(key));
  return `expected a list, { id: name } or { name: id }, got ${what} with ${keys.join(', ') || 'nothing in it'}`;
}

/** A class's name: text, a number as text, the last of ImageNet's `[wnid, name]`, or an object's `name` or `label`. */
function nameOf(value: JsonValue): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.length === 2 && typeof value[1] === 'string' ? value[1] : undefined;
  const name = isJsonObject(value) ? (value.name ?? value.label) : undefined;
  return typeof name === 'string' ? name : undefined;
}

function byNumber(pairs: [id: number, name: string][], file: string): string[] {
  const names = new Map(pairs);
  const inOrder = pairs.map((_, id) => names.get(id));
  const missing = inOrder.indexOf(undefined);
  if (missing < 0) return inOrder as string[];
  const from1 = missing === 0 && names.has(pairs.length) ? ': they seem to count from 1' : '';
  return refuse(file, `expected the numbers 0 to ${pairs.length - 1}, each once, got none for ${missing}${from1}`);
}

function refuse(file: string, message: string): never {
  throw new MobileNetError('CONFIG', `${file}: ${message}`, { file });
}
