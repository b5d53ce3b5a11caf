/**
 * Opens whatever a model is in and finds out what it is, by content and not by the file's name: HDF5, a zip of Keras or of
 * PyTorch, a pickle, safetensors, TensorFlow.js, or a folder of Hugging Face's hub.
 */
import { type Folder, openFolder, readModelFile, requirePlatform } from '../../base/env.js';
import { listNames, MobileNetError, show } from '../../base/errors.js';
import { isJsonObject, type JsonObject, parseJson, showJson } from '../../base/json.js';
import { isHdf5 } from '../weights/hdf5.js';
import { loadWeights } from '../weights/load.js';
import { readPytorch } from '../weights/pytorch.js';
import { readSafetensors } from '../weights/safetensors.js';
import type { StoredTensor } from '../weights/stored.js';
import { readTfjs } from '../weights/tfjs.js';
import { Zip } from '../weights/zip.js';
import { isKeras, type KerasModel } from './keras.js';
import { add, isKerasZip, readKerasH5, readKerasZip } from './keras-file.js';
import { isSlimGraph } from './tfjs-graph.js';
import { isTimm } from './timm.js';
import { unwrapped } from './torch.js';
import { isTorchvision } from './torchvision.js';

/** A model in the names of its framework. */
export type Source =
  | { from: 'keras' | 'tfjs'; file: string; model: KerasModel }
  | { from: 'tfjs-graph'; file: string; tensors: Map<string, StoredTensor>; topology: JsonObject }
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
const FILE = /\.(?:h5|hdf5|keras|safetensors|pth|pt|ckpt|bin|json|tar)$/i;
const TFJS_FILE = 'model.json';

/**
 * @param where a path (or, in a browser, a URL) of a file or a folder, an opened folder, or the bytes of a file
 * @param file the file in that folder; what to call the bytes
 * @throws MobileNetError NOT_FOUND, UNSUPPORTED for what is no MobileNetV2, and the codes of damaged files
 */
export async function openSource(where: string | Folder | Uint8Array, file?: string): Promise<Source> {
  if (where instanceof Uint8Array) return read(where, file ?? 'model', undefined);
  if (typeof where === 'string' && file === undefined && FILE.test(where)) {
    const at = Math.max(where.lastIndexOf('/'), where.lastIndexOf('\\'));
    const folder = at < 0 ? '.' : where.slice(0, Math.max(at, 1));
    const name = where.slice(at + 1);
    return openSource(await requirePlatform('openFolder', where)(folder, { named: name }), name);
  }
  const folder = await openFolder(where);
  if (file !== undefined) return read(await need(folder, file), file, folder);
  const tfjs = await readModelFile(folder, TFJS_FILE);
  if (tfjs !== undefined) return read(tfjs, TFJS_FILE, folder);
  const { tensors, file: found } = await loadWeights(folder);
  return fromTensors(tensors, found, folder);
}

async function need(folder: Folder, file: string): Promise<Uint8Array> {
  const bytes = await readModelFile(folder, file);
  if (bytes !== undefined) return bytes;
  throw new MobileNetError('NOT_FOUND', `${folder.name}/${file}: no such file`, { file: `${folder.name}/${file}` });
}

async function read(bytes: Uint8Array, file: string, folder: Folder | undefined): Promise<Source> {
  if (isHdf5(bytes)) return fromKeras('keras', await readKerasH5(bytes, file), file);
  if (isSafetensors(bytes)) return fromTensors(readSafetensors(bytes, { file }).tensors, file, folder);
  const isZip = bytes[0] === 0x50 && bytes[1] === 0x4b; // "PK"
  if (isZip) {
    const zip = new Zip(bytes, file);
    if (isKerasZip(zip)) return fromKeras('keras', await readKerasZip(zip, file), file);
  }
  if (isZip || bytes[0] === 0x80 /* PROTO, how every binary pickle begins */) {
    return fromTensors(readPytorch(bytes, { file }).tensors, file, folder);
  }
  if (bytes[0] !== 0x7b /* { */) return fromTensors(readSafetensors(bytes, { file }).tensors, file, folder);
  if (folder === undefined) {
    throw new MobileNetError('ARG', `${file}: a TensorFlow.js model needs the folder of its shards; pass a Folder`, {
      file,
    });
  }
  const { tensors, topology, format } = await readTfjs(bytes, folder, { file });
  if (format === 'graph') {
    return isSlimGraph(tensors.keys())
      ? { from: 'tfjs-graph', file, tensors, topology }
      : refuse(file, [...tensors.keys()]);
  }
  const layers: KerasModel['layers'] = new Map();
  for (const [name, stored] of tensors) {
    const [layer, variable] = name.split('/').slice(-2);
    add(layers, layer, variable ?? '', stored);
  }
  return fromKeras('tfjs', { layers, topology }, file);
}

/** Its first byte may be anything, for it is a length's lowest; the length has to fit, and "{" stands behind it. */
function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || bytes[8] !== 0x7b) return false;
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true) <= bytes.length - 8;
}

function fromKeras(from: 'keras' | 'tfjs', model: KerasModel, file: string): Source {
  if (isKeras(model.layers)) return { from, file, model };
  return refuse(file, [...model.layers.keys()]);
}

async function fromTensors(all: Map<string, StoredTensor>, file: string, folder: Folder | undefined): Promise<Source> {
  const tensors = unwrapped(all);
  const names = new Set(tensors.keys());
  if (isTorchvision(names)) return { from: 'torchvision', file, tensors };
  const config = await readJson(folder, 'config.json');
  if (isTimm(names)) return { from: 'timm', file, tensors, config };
  if (![...all.keys()].some((name) => /^(?:mobilenet_v2\.)?conv_stem\.first_conv\./.test(name))) {
    return refuse(file, [...all.keys()]);
  }
  if (config === undefined) {
    throw new MobileNetError('NOT_FOUND', `${file}: Hugging Face's weights need config.json beside them`, { file });
  }
  return {
    from: 'huggingface',
    file,
    tensors: all,
    config,
    preprocessor: await readJson(folder, 'preprocessor_config.json'),
  };
}

async function readJson(folder: Folder | undefined, file: string): Promise<JsonObject | undefined> {
  const bytes = folder && (await readModelFile(folder, file));
  if (bytes === undefined) return undefined;
  const value = parseJson(bytes, { file, code: 'CONFIG' });
  if (isJsonObject(value)) return value;
  throw new MobileNetError('CONFIG', `${file}: expected an object, got ${showJson(value)}`, { file });
}

function refuse(file: string, names: string[]): never {
  const known = 'Keras applications, slim (TensorFlow Hub), torchvision, timm or Hugging Face';
  throw new MobileNetError(
    'UNSUPPORTED',
    `${show(file)}: expected a MobileNetV2 with the names of ${known}, got ${names.length} names (${listNames(names, 5, 150)})`,
    { file, names },
  );
}
