/**
 * Things that are given as a model, or lie where a file of one should, and are something else: each is recognised, and the
 * message says what helps.
 */

import { asBytes } from './brands.js';
import { expected, MobileNetError, show } from './errors.js';
import type { Folder } from './folder.js';

const LFS = /^version https:\/\/git-lfs\.github\.com\//;
const PAGE = /^\s*(?:<!--[^>]*-->\s*)*<(?:!doctype\s+html|html|head|body)\b/i;
const XML = /^\s*<\?xml\b/i;
/** What the hub answers, and curl saves, where there is no such file or no permission. */
const ANSWER =
  /^\s*(?:Entry not found|Not Found|Invalid username or password|Repository not found|Invalid rev id|Access to model .{1,200} is restricted|You don't have access)/i;
const BEGINNING = 512;

/** @throws MobileNetError BAD_HEADER that says what the file is, and what to do */
export function refuseForeign(bytes: Uint8Array, file: string): void {
  if (asBytes(bytes) === undefined) throw expected(file, 'bytes', bytes); // a folder of the caller's gives what it likes
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, BEGINNING)).replace(/^ï»¿/, '');
  let message: string | undefined;
  if (LFS.test(text)) {
    const size = /^size (\d{1,15})$/m.exec(text)?.[1];
    message = `is a git-lfs pointer${size === undefined ? '' : ` to a file of ${size} bytes`}, not the file itself; run "git lfs pull" in its repository, or download the file`;
  } else if (PAGE.test(text)) {
    message =
      'is a web page, not the file: a page about it, or one with an error, was saved; on a hub, take the "download" link (/resolve/, not /blob/)';
  } else if (XML.test(text)) {
    message = "is XML, not the file: perhaps a server's error was saved; download it again";
  } else if (bytes.length < BEGINNING && ANSWER.test(text)) {
    message = `is a server's answer, ${show(text.trim())}, not the file; download it again, with a token where the model needs one`;
  }
  if (message !== undefined) throw new MobileNetError('BAD_HEADER', `${file}: ${message}`, { file, offset: 0 });
}

/** Files of the frameworks that `convert` reads; of some, only their weights. */
const CONVERTIBLE =
  /\.(?:h5|hdf5|keras|pth|pt|ckpt|ckpt\.index|tar|bin|safetensors|tflite|lite)$|(?:^|[/\\])model\.json$/i;
const OWN =
  /(?:^|[/\\])(?:(?:preprocessor_)?config\.json|(?:pytorch_)?model(?:\.bin|\.safetensors)(?:\.index\.json)?)$/;
const UNREAD: Record<string, string> = {
  onnx: 'ONNX',
  pb: 'TensorFlow (SavedModel or frozen graph)',
  mlmodel: 'Core ML',
  mlpackage: 'Core ML',
  engine: 'TensorRT',
  msgpack: 'Flax',
};

/** In the form of a message: `a: is …`. */
const convertWith = (from: string): string => `npx mobilenet-v2 convert ${from} NEW_FOLDER makes a model of it`;

/** @returns what to say of a file's name that is given as a model; undefined where it tells nothing */
export function aboutFile(path: string): string | undefined {
  if (OWN.test(path)) {
    const folder = path.replace(/[/\\]?[^/\\]*$/, '');
    return `is one file of a model; give its folder, ${show(folder === '' ? '.' : folder)}`;
  }
  if (CONVERTIBLE.test(path)) return `is a file of another framework; ${convertWith(path)}`;
  const unread = aboutUnread(path);
  return unread && `is a model of ${unread}`;
}

/** @returns of a file that neither models nor converters read: its framework, and what to take instead */
export function aboutUnread(path: string): string | undefined {
  const kind = new Map(Object.entries(UNREAD)).get(/\.(\w+)$/.exec(path)?.[1].toLowerCase() ?? '');
  return kind && `${kind}, which is not read; take the weights it was made from (Keras, PyTorch or safetensors)`;
}

/** Files by which a folder is known to be another framework's, and what helps. */
const SIGNS: readonly (readonly [file: string, about: (folder: string) => string])[] = [
  ['model.json', (folder) => `it holds a TensorFlow.js model; ${convertWith(folder)}`],
  ['saved_model.pb', () => 'it holds a TensorFlow SavedModel, which is not read; save the model from Keras as .keras'],
  ['onnx/model.onnx', () => `it holds ${aboutUnread('.onnx')}`],
  ['model.onnx', () => `it holds ${aboutUnread('.onnx')}`],
  ['tf_model.h5', () => "it holds weights for TensorFlow alone; save them from Python's transformers for PyTorch"],
];

/**
 * The error for a file that a model's folder lacks. Other files in it tell what the folder is.
 * @param file for the error's place
 * @param wanted what was looked for, in words
 */
export async function missing(folder: Folder, file: string, wanted = file): Promise<MobileNetError> {
  // A folder of timm never has what is wanted: to say that one file is missing would mislead.
  const say = (await isTimm(folder))
    ? `holds a model of timm, not one of transformers; ${convertWith(folder.name)}`
    : `has no ${wanted}; ${(await aboutFolder(folder).catch(() => undefined)) ?? 'is it the folder of a model?'}`;
  return new MobileNetError('NOT_FOUND', `${folder.name}: ${say}`, { file });
}

async function isTimm(folder: Folder): Promise<boolean> {
  const config = await folder.read('config.json', undefined, MOST_CONFIG).catch(() => undefined);
  return config !== undefined && /"(?:pretrained_cfg|num_features)"\s*:/.test(new TextDecoder().decode(config));
}

async function aboutFolder(folder: Folder): Promise<string | undefined> {
  if (/^https?:\/\/(?:huggingface\.co|hf\.co)\//.test(folder.name))
    return "models of the hub are read by name, such as 'org/name'; in a page that needs import 'mobilenet-v2/hub'";
  const about = aboutFile(folder.name);
  if (about !== undefined) return `it ${about}`;
  for (const [file, say] of SIGNS) {
    // Of these only the presence matters: one that is too large to be read is there.
    const found = await folder.read(file, undefined, 0).catch((cause) => cause?.code === 'LIMIT' || undefined);
    if (found !== undefined) return say(folder.name);
  }
  return undefined;
}

const MOST_CONFIG = 1_000_000;
