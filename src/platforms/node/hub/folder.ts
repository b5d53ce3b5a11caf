/** A model of the hub as a folder, in Node. */
import { env } from '../../../base/env.js';
import type { Folder } from '../../../base/folder.js';
import { HUB_OPTIONS, type HubOptions } from '../../../base/hub-options.js';
import { checkOptions } from '../../../base/options.js';
import { conversionOf } from '../../../hub/download.js';
import { responseFolder } from '../../../hub/folder.js';
import { within } from '../../../hub/open.js';
import { endpoint, tokenOf, whyOffline } from './environment.js';
import { HubModel } from './model.js';

/**
 * Opens a model of the hub; each file is downloaded when it is first read, and then kept where Python's huggingface_hub
 * keeps it.
 * @param repo `org/name`
 * @throws MobileNetError ARG for a name or revision that cannot be; reading throws NOT_FOUND, AUTH, IO, HASH
 */
export async function hubFolder(repo: string, options: HubOptions = {}): Promise<Folder> {
  checkOptions(options, HUB_OPTIONS, 'hubFolder');
  return within(await openModel(repo, options), options.subfolder);
}

async function openModel(repo: string, options: HubOptions): Promise<Folder> {
  if (env.customCache !== null || !env.useFSCache) return withoutFiles(repo, options);
  const model = new HubModel(repo, options);
  return {
    name: repo,
    read: (file, signal, most) => model.read(file, signal, most),
    async alternative(signal) {
      const asked = model.offline !== undefined || model.revision !== 'main';
      const revision = asked ? undefined : await conversionOf(model.remote, signal);
      return revision === undefined ? undefined : openModel(repo, { ...options, revision });
    },
  };
}

/** Into memory, or where the caller keeps answers. */
function withoutFiles(repo: string, options: HubOptions): Promise<Folder> {
  const local_files_only = whyOffline(options) !== undefined;
  return responseFolder(repo, { ...options, local_files_only, token: tokenOf(options) ?? false }, endpoint());
}
