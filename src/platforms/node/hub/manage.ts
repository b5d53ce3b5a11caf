/** What is in the cache, whether it is sound, and how it gets out again. */
import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MobileNetError, show } from '../../../base/errors.js';
import type { HubOptions } from '../../../base/hub-options.js';
import { hashLike } from '../../../hub/download.js';
import { checkModelName } from '../../../hub/names.js';
import { systemError } from '../files.js';
import { readWhole } from '../reading.js';
import { cacheFolder } from './environment.js';
import { etagOf, folderName, modelOf, UNFINISHED } from './layout.js';

/** A file of a model that is kept. */
export interface CachedFile {
  /** Relative to the snapshot. */
  file: string;
  path: string;
  /** In bytes; -1 where the link leads nowhere. */
  size: number;
}

/** A model as it was at one commit. */
export interface CachedRevision {
  commit: string;
  /** Branches and tags that were last seen there. */
  refs: string[];
  path: string;
  files: CachedFile[];
}

/** A model of which something is kept. */
export interface CachedModel {
  /** `org/name` */
  repo: string;
  path: string;
  /** Bytes of its blobs, downloads broken off included. */
  size: number;
  revisions: CachedRevision[];
  /** Downloads broken off. */
  unfinished: { path: string; size: number }[];
}

type Where = Pick<HubOptions, 'cache_dir'>;

/**
 * The models in the cache, by name; those that Python's huggingface_hub put there too.
 * @throws MobileNetError IO
 */
export async function scanCache(options: Where = {}): Promise<CachedModel[]> {
  const root = cacheFolder(options);
  const models: CachedModel[] = [];
  for (const name of (await namesIn(root)).sort()) {
    const repo = modelOf(name);
    if (repo !== undefined) models.push(await scanModel(join(root, name), repo));
  }
  return models;
}

async function scanModel(path: string, repo: string): Promise<CachedModel> {
  const refs = new Map<string, string[]>();
  for (const ref of await filesBelow(join(path, 'refs'))) {
    const commit = new TextDecoder().decode(await readWhole(join(path, 'refs', ref), undefined)).trim();
    refs.set(commit, [...(refs.get(commit) ?? []), ref]);
  }
  const revisions: CachedRevision[] = [];
  for (const commit of (await namesIn(join(path, 'snapshots'))).sort()) {
    const snapshot = join(path, 'snapshots', commit);
    const files: CachedFile[] = [];
    for (const file of (await filesBelow(snapshot)).sort()) {
      files.push({ file, path: join(snapshot, file), size: await sizeOf(join(snapshot, file)) });
    }
    revisions.push({ commit, refs: refs.get(commit) ?? [], path: snapshot, files });
  }
  let size = 0;
  const unfinished: CachedModel['unfinished'] = [];
  for (const name of await namesIn(join(path, 'blobs'))) {
    const blob = { path: join(path, 'blobs', name), size: Math.max(0, await sizeOf(join(path, 'blobs', name))) };
    size += blob.size;
    if (name.endsWith(UNFINISHED)) unfinished.push(blob);
  }
  return { repo, path, size, revisions, unfinished };
}

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? -1;

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw systemError(cause, folder);
  }
}

/** All files and links below a folder, as relative paths. */
async function filesBelow(top: string, folder = ''): Promise<string[]> {
  const files: string[] = [];
  for (const name of await namesIn(join(top, folder))) {
    const file = folder === '' ? name : `${folder}/${name}`;
    if ((await lstat(join(top, file))).isDirectory()) files.push(...(await filesBelow(top, file)));
    else files.push(file);
  }
  return files;
}

/** What a file's hash says of it. */
export interface Verdict extends CachedFile {
  repo: string;
  commit: string;
  /** `unknown`: a copy, whose hash nothing tells. `missing`: a link to nowhere. */
  state: 'sound' | 'damaged' | 'missing' | 'unknown';
}

/**
 * Reads every file in the cache and compares it with its hash.
 * @param repo one model; all when left out
 * @throws MobileNetError NOT_FOUND for a model that is not kept; IO
 */
export async function verifyCache(repo?: string, options: Where & Pick<HubOptions, 'signal'> = {}): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const model of await chosen(repo, options)) {
    for (const { commit, files } of model.revisions) {
      for (const file of files) {
        options.signal?.throwIfAborted();
        verdicts.push({ repo: model.repo, commit, ...file, state: await stateOf(file) });
      }
    }
  }
  return verdicts;
}

async function stateOf({ path, size }: CachedFile): Promise<Verdict['state']> {
  if (size < 0) return 'missing';
  const etag = await etagOf(path);
  if (etag === undefined) return 'unknown';
  const bytes = await readWhole(path, undefined).catch((cause) => {
    throw systemError(cause, path);
  });
  const got = await hashLike(etag, bytes);
  return got === undefined ? 'unknown' : got === etag ? 'sound' : 'damaged';
}

/**
 * Removes a model from the cache.
 * @returns what was removed
 * @throws MobileNetError ARG; NOT_FOUND for a model that is not kept; IO
 */
export async function removeFromCache(repo: string, options: Where = {}): Promise<CachedModel> {
  checkModelName(repo); // without a name, `chosen` means all
  const [model] = await chosen(repo, options);
  try {
    // First what names files, then the files: a process that is killed in between leaves no name without its file.
    for (const part of ['refs', 'snapshots', '']) await rm(join(model.path, part), { recursive: true, force: true });
    await rm(join(cacheFolder(options), '.locks', folderName(repo)), { recursive: true, force: true });
  } catch (cause) {
    throw systemError(cause, model.path);
  }
  return model;
}

async function chosen(repo: string | undefined, options: Where): Promise<CachedModel[]> {
  const models = await scanCache(options);
  if (repo === undefined) return models;
  checkModelName(repo);
  const own = models.filter((model) => model.repo === repo);
  if (own.length > 0) return own;
  throw new MobileNetError('NOT_FOUND', `${show(repo)} is not in ${cacheFolder(options)}`, { file: repo });
}
