/** A model's files: the folder they are read from, wherever it lies, and what is checked of each. */
import { asBytes } from './brands.js';
import { checkObject } from './check.js';
import { env, requirePlatform } from './env.js';
import { expected, MobileNetError } from './errors.js';
import { refuseForeign } from './foreign.js';
import { HUB_OPTIONS, type HubOptions, MODEL_NAME } from './hub-options.js';
import { checkFileBytes } from './limits.js';
import { withProgress } from './progress.js';

/**
 * A folder of model files: reading only what is asked for. A model of one file is a folder, too, which has the file's name and
 * gives the file by it: `{ name: 'net.tflite', read: async (file) => (file === 'net.tflite' ? bytes : undefined) }`.
 */
export interface Folder {
  /** How the caller named it; used in messages. */
  readonly name: string;
  /**
   * The bytes of a file, or undefined when there is no such file. `file` is a plain relative path. Of a file with more
   * than `most` bytes nothing need be read: it is refused whatever is given for it. Weights are not copied: the bytes belong to
   * the model from then on, and whoever writes them later writes its weights.
   */
  read(file: string, signal?: AbortSignal, most?: number): Promise<Uint8Array | undefined>;
  /** Where else the weights of this model may lie, when it holds none: its conversion to safetensors. */
  alternative?(signal?: AbortSignal): Promise<Folder | undefined>;
}

/** The checkpoints that ship with the package, by the task that takes them where no model is named: folders of weights/. */
export const SHIPPED = {
  classification: 'mobilenet_v2_1.0_224',
  segmentation: 'deeplabv3_mobilenet_v2_0.5_513',
} as const;

/** Names of files that are a model each. */
const MODEL_FILE = /^(?:(.*)[/\\])?([^/\\]+\.(?:tflite|lite))(?:\?.*)?$/i;

/** Bytes that a file of a model may have. */
export const mostBytes = (file: string): number =>
  file.endsWith('.json') ? env.limits.jsonBytes : env.limits.weightsBytes;

/**
 * A file of a model, within the limit for its kind, whether or not the folder checks that itself.
 * @param most bytes that it may have
 * @throws MobileNetError LIMIT, BAD_HEADER for what git or a server left in its place, and what the folder throws
 */
export async function readModelFile(
  folder: Folder,
  file: string,
  signal?: AbortSignal,
  most = mostBytes(file),
): Promise<Uint8Array | undefined> {
  const bytes = asBytes(await folder.read(file, signal, most)); // a folder of the caller's may give those of another realm
  if (bytes !== undefined) {
    checkFileBytes(bytes.length, most, file);
    refuseForeign(bytes, file);
  }
  return bytes;
}

/**
 * A model's folder: opened by the platform if named, a checkpoint that ships with the package if not.
 * @param shipped the one to take
 */
export async function openFolder(
  where?: string | Folder | null,
  asked: HubOptions = {},
  shipped: string = SHIPPED.classification,
): Promise<Folder> {
  checkObject(asked, 'options', 'an object of options');
  // Callers hand in all that they were given; transformers.js says null for what is not.
  const entries = Object.entries(asked).filter(([name, value]) => HUB_OPTIONS.includes(name) && value !== null);
  const options: HubOptions = Object.fromEntries(entries);
  if (where === undefined || where === null) {
    return withProgress(await requirePlatform('openShippedFolder', 'the shipped checkpoint')(shipped), options);
  }
  if (typeof where === 'string') {
    const [, place = '.', file] = MODEL_FILE.exec(where) ?? [];
    if (file !== undefined) return openModelFile(where, place === '' ? '/' : place, file, options);
    return requirePlatform('openFolder', where)(where, options);
  }
  if (typeof where?.read === 'function' && typeof where.name === 'string') return ownFolder(where, options);
  throw expected('model', "a folder's path or a Folder", where);
}

/** A caller's own folder; one that is named like a model of one file, and has that file, is this model. */
async function ownFolder(where: Folder, options: HubOptions): Promise<Folder> {
  const folder = withProgress(where, options);
  const file = MODEL_FILE.exec(where.name)?.[2];
  const bytes = file === undefined ? undefined : await readModelFile(folder, file, options.signal);
  return bytes === undefined ? folder : requirePlatform('openModelFile', where.name)(bytes, where.name);
}

/** A model that is one file, on the disk, at a URL or in a folder of the hub. */
async function openModelFile(path: string, place: string, file: string, options: HubOptions): Promise<Folder> {
  const openPlace = requirePlatform('openFolder', path);
  const openFile = requirePlatform('openModelFile', path);
  // A name like org/name is a folder here first; without one, a model of the hub.
  const folders = [() => openPlace(place, { ...options, named: file }), () => openPlace(place, options)];
  for (const open of MODEL_NAME.test(place) ? folders : folders.slice(0, 1)) {
    const folder = await open().catch((cause) => absent(cause));
    const bytes = folder && (await readModelFile(folder, file, options.signal));
    if (bytes !== undefined) return openFile(bytes, path);
  }
  throw new MobileNetError('NOT_FOUND', `${path}: no such file`, { file: path });
}

function absent(cause: unknown): undefined {
  if (cause instanceof MobileNetError && cause.code === 'NOT_FOUND') return undefined;
  throw cause;
}
