/**
 * Opens whatever a model is in and finds out what it is, by content and not by the file's name: HDF5, a zip of Keras or of
 * PyTorch, a pickle, safetensors, TensorFlow.js, TensorFlow Lite, or a folder of Hugging Face's hub.
 */
import { asBytes } from '../base/brands.js';
import { requirePlatform } from '../base/env.js';
import { listNames, MobileNetError, show } from '../base/errors.js';
import { type Folder, openFolder, readModelFile } from '../base/folder.js';
import { aboutUnread, refuseForeign } from '../base/foreign.js';
import { isJsonObject, type JsonObject, parseJson, showJson } from '../base/json.js';
import { isHdf5 } from '../formats/hdf5.js';
import { loadWeights } from '../formats/load.js';
import { withoutPrefix } from '../formats/prefixes.js';
import { readPytorch } from '../formats/pytorch.js';
import { readSafetensors } from '../formats/safetensors.js';
import type { StoredTensor, StoredTensors } from '../formats/stored.js';
import { INDEX_FILE, isTfCheckpoint, readTfCheckpoint } from '../formats/tf-checkpoint.js';
import { readTfjs } from '../formats/tfjs.js';
import { isTflite, readTflite, type TfliteModel } from '../formats/tflite/tflite.js';
import { Zip } from '../formats/zip.js';
import { prefixOf } from '../models/mobilenet-v2/weights.js';
import { isKeras, type KerasModel } from './keras.js';
import { add, isKerasZip, knownLayers, layerOf, readKerasH5, readKerasZip } from './keras-file.js';
import { isSlimCheckpoint } from './slim.js';
import { isSlimGraph } from './tfjs-graph.js';
import { labelsAfter } from './tflite-labels.js';
import { TIMM_FIRST } from './timm.js';
import { TORCHVISION_FIRST } from './torchvision.js';

/** A model in the names of its framework, and what was chosen where its file leaves a choice. */
export type Source = { notes: readonly string[] } & Named;

type Named =
  | { from: 'keras' | 'tfjs'; file: string; model: KerasModel }
  | { from: 'tfjs-graph'; file: string; tensors: Map<string, StoredTensor>; topology: JsonObject }
  | { from: 'tflite'; file: string; model: TfliteModel; labels: readonly string[] | undefined }
  | { from: 'slim'; file: string; tensors: Map<string, StoredTensor> }
  | { from: 'torchvision'; file: string; tensors: Map<string, StoredTensor> }
  | { from: 'timm'; file: string; tensors: Map<string, StoredTensor>; config: JsonObject | undefined }
  | {
      from: 'huggingface';
      file: string;
      tensors: Map<string, StoredTensor>;
      config: JsonObject;
      /** preprocessor_config.json, kept as it is. */
      preprocessor: JsonObject | undefined;
    };

/** Endings by which a path names a file, and not a folder. */
const FILE =
  /\.(?:h5|hdf5|keras|safetensors|pth|pt|ckpt|bin|json|index|tar|zip|gz|tgz|onnx|tflite|lite|pb|mlmodel|engine|msgpack|html?|txt|pkl|pickle)$/i;
const TFJS_FILE = 'model.json';

/**
 * @param where a path (or, in a browser, a URL) of a file or a folder, an opened folder, or the bytes of a file
 * @param file the file in that folder; what to call the bytes
 * @throws MobileNetError NOT_FOUND, UNSUPPORTED for anything but a MobileNetV2, and the codes of damaged files
 */
export async function openSource(
  where: string | Folder | Uint8Array | ArrayBuffer,
  file?: string,
  signal?: AbortSignal,
): Promise<Source> {
  const bytes = asBytes(where);
  if (bytes !== undefined) return read(bytes, file ?? 'model', undefined, signal);
  if (typeof where === 'string' && file === undefined && FILE.test(where)) return openFile(where, signal);
  let folder: Folder;
  try {
    folder = await openFolder(where as string | Folder, signal && { signal });
  } catch (error) {
    // A path that is not a folder may be a file whose name tells nothing.
    const isPath = typeof where === 'string' && file === undefined && /[^/\\]$/.test(where);
    if (!isPath || !(error instanceof MobileNetError) || error.code !== 'NOT_FOUND') throw error;
    return openFile(where, signal).catch((cause) => {
      throw cause instanceof MobileNetError && cause.code === 'NOT_FOUND' ? error : cause;
    });
  }
  if (file !== undefined) return read(await need(folder, file, signal), file, folder, signal);
  const tfjs = await readModelFile(folder, TFJS_FILE, signal);
  if (tfjs !== undefined) return read(tfjs, TFJS_FILE, folder, signal);
  const { file: found, ...stored } = await loadWeights(folder, signal);
  return fromTensors(stored, found, folder);
}

async function openFile(path: string, signal: AbortSignal | undefined): Promise<Source> {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  const place = at < 0 ? '.' : path.slice(0, Math.max(at, 1));
  const name = path.slice(at + 1);
  if (/^(?:preprocessor_)?config\.json$|\.index\.json$/.test(name)) return openSource(place, undefined, signal);
  const folder = await requirePlatform('openFolder', path)(place, { named: name, ...(signal && { signal }) });
  const bytes = await readModelFile(folder, name, signal);
  // Of a checkpoint of TensorFlow, people name what its files have in common.
  const index = bytes === undefined ? await readModelFile(folder, `${name}.index`, signal) : undefined;
  if (index !== undefined) return read(index, `${name}.index`, folder, signal);
  return read(bytes ?? (await need(folder, name, signal)), name, folder, signal);
}

async function need(folder: Folder, file: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const bytes = await readModelFile(folder, file, signal);
  if (bytes !== undefined) return bytes;
  throw new MobileNetError('NOT_FOUND', `${folder.name}/${file}: no such file`, { file: `${folder.name}/${file}` });
}

async function read(
  bytes: Uint8Array,
  file: string,
  folder: Folder | undefined,
  signal: AbortSignal | undefined,
): Promise<Source> {
  signal?.throwIfAborted();
  refuseForeign(bytes, file);
  if (isTflite(bytes)) {
    const model = readTflite(bytes, { file });
    return { from: 'tflite', file, model, labels: await labelsAfter(bytes, file, signal), notes: [] };
  }
  if (isTfCheckpoint(bytes)) return readSlim(bytes, file, folder, signal);
  if (isHdf5(bytes)) return fromKeras('keras', readKerasH5(bytes, file), file);
  if (isSafetensors(bytes)) return fromTensors(readSafetensors(bytes, { file }), file, folder);
  if (bytes[0] === 0x50 && bytes[1] === 0x4b /* "PK" */) {
    const zip = new Zip(bytes, file);
    if (isKerasZip(zip)) return fromKeras('keras', await readKerasZip(zip, file, signal), file);
    const names = [...zip.entries.keys()];
    if (!names.some((name) => /(?:^|\/)data\.pkl$/.test(name)))
      refuseKind(file, `a zip of ${listNames(names, 4, 100)}; unpack it and name what is in it`);
    return fromTensors(await readPytorch(bytes, { file, signal }), file, folder);
  }
  // PROTO, how every binary pickle begins.
  if (bytes[0] === 0x80) return fromTensors(await readPytorch(bytes, { file, signal }), file, folder);
  if (bytes[0] !== 0x7b /* { */) {
    if (/\.safetensors$/i.test(file)) return fromTensors(readSafetensors(bytes, { file }), file, folder);
    return refuseKind(file, aboutUnread(file) ?? kindOf(bytes));
  }
  if (folder === undefined) {
    throw new MobileNetError('ARG', `${file}: a TensorFlow.js model needs the folder of its shards; pass a Folder`, {
      file,
    });
  }
  const { tensors, topology, format } = await readTfjs(bytes, folder, { file, signal });
  if (format === 'graph') {
    return isSlimGraph(tensors.keys())
      ? { from: 'tfjs-graph', file, tensors, topology, notes: [] }
      : refuse(file, [...tensors.keys()]);
  }
  const layers: KerasModel['layers'] = new Map();
  const known = knownLayers(topology);
  for (const [name, stored] of tensors) {
    const parts = name.split('/');
    add(layers, layerOf(parts, known), parts.at(-1)!, stored);
  }
  return fromKeras('tfjs', { layers, topology }, file);
}

async function readSlim(
  bytes: Uint8Array,
  file: string,
  folder: Folder | undefined,
  signal: AbortSignal | undefined,
): Promise<Source> {
  if (folder === undefined || !INDEX_FILE.test(file)) {
    const message = `${file}: a checkpoint of TensorFlow is a file .index and others .data-…; pass the folder of both, and file`;
    throw new MobileNetError('ARG', message, { file });
  }
  const tensors = await readTfCheckpoint(bytes, folder, { file, signal });
  return isSlimCheckpoint(tensors.keys())
    ? { from: 'slim', file, tensors, notes: [] }
    : refuse(file, [...tensors.keys()]);
}

/** Bytes 0 to 7 are a length, which has to fit into the file; byte 8 is "{". */
function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || bytes[8] !== 0x7b) return false;
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true) <= bytes.length - 8;
}

function fromKeras(from: 'keras' | 'tfjs', model: KerasModel, file: string): Source {
  if (isKeras(model.layers)) return { from, file, model, notes: [] };
  return refuse(file, [...model.layers.keys()]);
}

async function fromTensors(
  { tensors: all, notes = [] }: Pick<StoredTensors, 'tensors' | 'notes'>,
  file: string,
  folder: Folder | undefined,
): Promise<Source> {
  const names = [...all.keys()];
  const named = (first: (name: string) => string | undefined) => {
    if (!names.some((name) => first(name) !== undefined)) return undefined;
    const { named: tensors, note } = withoutPrefix(all, first);
    return { file, tensors, notes: note === undefined ? notes : [...notes, `${file}: ${note}`] };
  };
  const torchvision = named((name) => TORCHVISION_FIRST.exec(name)?.[1]);
  if (torchvision !== undefined) return { from: 'torchvision', ...torchvision };
  const config = await readJson(folder, 'config.json');
  const timm = named((name) => TIMM_FIRST.exec(name)?.[1]);
  if (timm !== undefined) return { from: 'timm', ...timm, config };
  const own = named(prefixOf);
  if (own === undefined) return refuse(file, names);
  if (config === undefined) {
    throw new MobileNetError('NOT_FOUND', `${file}: Hugging Face's weights need config.json beside them`, { file });
  }
  return { from: 'huggingface', ...own, config, preprocessor: await readJson(folder, 'preprocessor_config.json') };
}

async function readJson(folder: Folder | undefined, file: string): Promise<JsonObject | undefined> {
  const bytes = folder && (await readModelFile(folder, file));
  if (bytes === undefined) return undefined;
  const value = parseJson(bytes, { file, code: 'CONFIG' });
  if (isJsonObject(value)) return value;
  throw new MobileNetError('CONFIG', `${file}: expected an object, got ${showJson(value)}`, { file });
}

const READS =
  'Keras (.h5, .keras), PyTorch or safetensors (.pth, .pt, .bin, .safetensors) of torchvision, timm or Hugging Face, TensorFlow.js (model.json), TensorFlow Lite (.tflite), TensorFlow (.ckpt.index)';

function refuseKind(file: string, got: string): never {
  throw new MobileNetError('UNSUPPORTED', `${file}: expected a model of ${READS}, got ${got}`, { file });
}

/** What a file is that no reader knows, by its first bytes. */
function kindOf(bytes: Uint8Array): string {
  const text = (from: number, to: number) => new TextDecoder('latin1').decode(bytes.subarray(from, to));
  if (bytes.length === 0) return 'an empty file';
  if (text(0, 40).includes('onnx') || text(0, 40).includes('pytorch')) return aboutUnread('.onnx')!;
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'a gzip archive; unpack it';
  if (text(257, 262) === 'ustar') return 'a tar archive; unpack it';
  return bytes.length < 9 ? `${bytes.length} bytes` : 'a file of another kind, or a damaged one';
}

function refuse(file: string, names: string[]): never {
  const known = 'Keras applications, slim (TensorFlow Hub), torchvision, timm or Hugging Face';
  throw new MobileNetError(
    'UNSUPPORTED',
    `${show(file)}: expected a MobileNetV2 with the names of ${known}, got ${names.length} names (${listNames(names, 5, 150)})`,
    { file, names },
  );
}
