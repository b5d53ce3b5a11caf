/**
 * Checkpoints in several files. An index, `model.safetensors.index.json`, says which file holds which tensor:
 *
 *   { "metadata": { "total_size": 14 }, "weight_map": { "layer.0.weight": "model-00001-of-00002.safetensors", … } }
 *
 * The index is a stranger's list of files to open, so every name in it is checked before any is opened.
 */
import { env } from '../base/env.js';
import { listNames, MobileNetError, show } from '../base/errors.js';
import { type Folder, readModelFile } from '../base/folder.js';
import { isJsonObject, type JsonValue, parseJson, showJson } from '../base/json.js';
import { checkTensorCount } from '../base/limits.js';
import { readPytorch } from './pytorch.js';
import { readSafetensors } from './safetensors.js';
import type { StoredTensor, StoredTensors } from './stored.js';

export interface ShardIndex {
  /** The index's own name. */
  readonly file: string;
  /** Tensor name → shard's file name. */
  readonly weightMap: ReadonlyMap<string, string>;
}

/**
 * Reads an index; its name decides what its shards are: `*.bin.index.json` lists .bin files, any other .safetensors.
 * @throws MobileNetError BAD_HEADER, DUPLICATE_KEY, PATH_ESCAPE, LIMIT, with file and tensor
 */
export function readShardIndex(bytes: Uint8Array, { file }: { file: string }): ShardIndex {
  const root = parseJson(bytes, { file, code: 'BAD_HEADER' });
  if (!isJsonObject(root)) return refuse(file, 'the index', 'an object', root);
  const { metadata, weight_map: map } = root;
  if (metadata !== undefined && !isJsonObject(metadata)) return refuse(file, 'metadata', 'an object', metadata);
  if (!isJsonObject(map)) return refuse(file, 'weight_map', 'an object', map);

  const extension = file.endsWith('.bin.index.json') ? '.bin' : '.safetensors';
  checkTensorCount(Object.keys(map).length, env.limits.tensors, file);
  const weightMap = new Map<string, string>();
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard !== 'string') return refuse(file, `weight_map.${tensor}`, 'a file name', shard);
    checkShardName(shard, extension, file, tensor);
    weightMap.set(tensor, shard);
  }
  return { file, weightMap };
}

function refuse(file: string, field: string, expected: string, got: JsonValue | undefined): never {
  throw new MobileNetError('BAD_HEADER', `${show(field)}: expected ${expected}, got ${showJson(got)} in ${file}`, {
    file,
    tensor: field,
  });
}

/** One segment of a path: starts with a letter, digit or underscore; then also dots and hyphens; no dot at the end. */
const SEGMENT = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?$/;
/** Names that Windows opens as devices, whatever their extension. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;

/**
 * An allow-list, not a list of attacks: what it lets through is a plain relative path on every system and in every URL,
 * so absolute paths, drives, backslashes, `..`, escapes, schemes, control characters and NUL need no rule of their own.
 */
function isPlainPath(path: string): boolean {
  return path.split('/').every((segment) => SEGMENT.test(segment) && !DEVICE.test(segment));
}

/** A file's name as people have them: with spaces and brackets, in any script; nothing that a system or a URL takes as a sign. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const NAME = /^[^\0-\x1f\x7f"#%*./:<>?\\| ~][^\0-\x1f\x7f"#%*/:<>?\\|]*$/;

/**
 * A relative path of a stranger as a plain one: `./weights.bin`, `a/../weights.bin` and `a\\weights.bin` are spellings that
 * browsers and other loaders take.
 * @returns undefined for a path that leads out of the folder, or whose parts are not plain names
 */
export function insidePath(path: string): string | undefined {
  const inside: string[] = [];
  for (const segment of path.replaceAll('\\', '/').split('/')) {
    if (segment === '..') {
      if (inside.pop() === undefined) return undefined;
    } else if (segment === '' ? inside.length === 0 : segment !== '.') inside.push(segment);
  }
  const isPlain = (name: string) => NAME.test(name) && !/[. ]$/.test(name) && !DEVICE.test(name);
  return inside.length > 0 && inside.every(isPlain) ? inside.join('/') : undefined;
}

function checkShardName(shard: string, extension: string, file: string, tensor: string): void {
  if (isPlainPath(shard) && shard.endsWith(extension)) return;
  throw new MobileNetError(
    'PATH_ESCAPE',
    `${file}: expected a plain name like model-00001-of-00002${extension} for ${show(tensor)}, got ${show(shard)}; nothing was opened`,
    { file, tensor },
  );
}

/**
 * Loads every shard once and checks it against the index, both ways.
 * @throws MobileNetError SHARD naming file and tensor, and whatever the shards' reader throws
 */
export async function readSharded(folder: Folder, index: ShardIndex, signal?: AbortSignal): Promise<StoredTensors> {
  const tensors = new Map<string, StoredTensor>();
  const metadata: Record<string, string> = Object.create(null);
  const inFolder = (shard: string) => `${folder.name}/${shard}`;
  let left = env.limits.weightsBytes;
  for (const shard of new Set(index.weightMap.values())) {
    const bytes = await readModelFile(folder, shard, signal, left);
    signal?.throwIfAborted();
    if (bytes === undefined) return refuseMissingShard(folder, index, shard);
    left -= bytes.length;
    const file = inFolder(shard);
    const content = shard.endsWith('.bin')
      ? await readPytorch(bytes, { file, signal })
      : readSafetensors(bytes, { file });
    for (const [name, stored] of content.tensors) {
      const first = tensors.get(name);
      if (first !== undefined) {
        refuseShard(file, name, `is in two shards, ${show(first.file)} and ${show(file)}`);
      }
      if (!index.weightMap.has(name)) refuseShard(file, name, `is in ${show(file)} but not in ${index.file}`);
      tensors.set(name, stored);
    }
    Object.assign(metadata, content.metadata);
  }
  // Only now: a tensor that is in two shards is the better message than one of them being the wrong place.
  for (const [name, shard] of index.weightMap) {
    const found = tensors.get(name)?.file;
    if (found === inFolder(shard)) continue;
    const got = found === undefined ? 'no shard holds it' : `it is in ${show(found)}`;
    refuseShard(inFolder(shard), name, `should be in ${show(shard)} by ${index.file}, but ${got}`);
  }
  return { tensors, metadata };
}

function refuseMissingShard(folder: Folder, index: ShardIndex, shard: string): never {
  const names = [...index.weightMap].filter(([, file]) => file === shard).map(([name]) => name);
  throw new MobileNetError(
    'SHARD',
    `${folder.name}: ${show(shard)} is missing, which ${index.file} says holds ${listNames(names, 3)}; download it`,
    { file: `${folder.name}/${shard}`, tensor: names[0] },
  );
}

function refuseShard(file: string, tensor: string, message: string): never {
  throw new MobileNetError('SHARD', `${show(tensor)} ${message}`, { file, tensor });
}
