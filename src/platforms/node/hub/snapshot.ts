/** Models of the hub as files. Names of functions are those of Python's huggingface_hub. */

import { listNames, MobileNetError } from '../../../base/errors.js';
import { HUB_OPTIONS, type HubOptions } from '../../../base/hub-options.js';
import { checkOptions } from '../../../base/options.js';
import { checkFile, hubPlace, placed } from '../../../hub/names.js';
import { endpoint } from './environment.js';
import { HubModel } from './model.js';

export interface SnapshotOptions extends HubOptions {
  /** Only files that one of these patterns matches; `*` stands for anything. All when left out. */
  allow_patterns?: readonly string[] | undefined;
  /** No file that one of these matches. */
  ignore_patterns?: readonly string[] | undefined;
}

/**
 * Downloads a file of a model.
 * @returns its path in the cache
 * @throws MobileNetError NOT_FOUND, AUTH, OFFLINE, IO, HASH, ARG, PATH_ESCAPE
 */
export async function hf_hub_download(repo: string, file: string, options: HubOptions = {}): Promise<string> {
  checkOptions(options, HUB_OPTIONS, 'hf_hub_download');
  const name = options.subfolder ? `${options.subfolder}/${file}` : file;
  checkFile(name);
  const model = new HubModel(repo, options);
  const path = await model.locate(name);
  if (path !== undefined) return path;
  if (model.offline !== undefined) throw model.missing([name]);
  throw new MobileNetError('NOT_FOUND', `${repo} has no ${name} (${model.revision})`, { file: name });
}

/**
 * Downloads a model, all of it unless patterns say otherwise.
 * @param repo `org/name`, or the address of its page, of a folder in it or of a file, for which its folder stands
 * @returns the folder of its snapshot in the cache
 * @throws MobileNetError as `hf_hub_download`; OFFLINE lists what is missing
 */
export async function snapshot_download(repo: string, options: SnapshotOptions = {}): Promise<string> {
  checkOptions(options, [...HUB_OPTIONS, 'allow_patterns', 'ignore_patterns'], 'snapshot_download');
  const place = typeof repo === 'string' ? hubPlace(repo, endpoint()) : undefined;
  if (place !== undefined) return snapshot_download(place.repo, placed(place, options));
  const { allow_patterns = ['*'], ignore_patterns = [], subfolder, signal } = options;
  const model = new HubModel(repo, options);
  const listing = await model.list().catch((error) => {
    if (!(error instanceof MobileNetError) || error.code !== 'IO') throw error;
    return error;
  });
  if (listing instanceof MobileNetError || listing === undefined) return keptSnapshot(model, listing);
  const files = [...listing.files.keys()].filter(
    (file) =>
      (subfolder === undefined || file.startsWith(`${subfolder}/`)) &&
      matches(file, allow_patterns) &&
      !matches(file, ignore_patterns),
  );
  if (files.length === 0) {
    throw new MobileNetError(
      'NOT_FOUND',
      `${repo}: no file fits the patterns; it has ${listNames([...listing.files.keys()])}`,
    );
  }
  for (const file of files) {
    signal?.throwIfAborted();
    if ((await model.locate(file)) === undefined) {
      throw new MobileNetError('NOT_FOUND', `${repo} lists ${file} and does not have it`, { file });
    }
  }
  return snapshotOf(model);
}

const snapshotOf = (model: HubModel): string => model.cache.snapshot(model.commit!);

/** Without a connection what is kept has to do, as in Python; which files there should be, nobody can say. */
async function keptSnapshot(model: HubModel, error: MobileNetError | undefined): Promise<string> {
  const commit = await model.cache.commitOf(model.revision);
  if (commit !== undefined && (await model.cache.find(commit, 'config.json')) !== undefined) {
    return model.cache.snapshot(commit);
  }
  if (error !== undefined) throw error;
  if (model.offline !== undefined) throw model.missing(['config.json']);
  const { host } = model.remote;
  throw new MobileNetError('UNSUPPORTED', `${host.host} has no list of the files of ${model.repo}; name them`);
}

/** As Python's fnmatch, of which patterns of files use `*` and `?`; a folder's name means what is in it. */
function matches(file: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const whole = pattern.endsWith('/') ? `${pattern}*` : pattern;
    const source = whole
      .replace(/[\\^$.+|()[\]{}]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    return new RegExp(`^${source}$`, 's').test(file);
  });
}
