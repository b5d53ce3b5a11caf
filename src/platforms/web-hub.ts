/** Models of the hub outside Node: each file is downloaded when it is first read, and kept in the browser's Cache. */
import { env } from '../base/env.js';
import type { Folder } from '../base/folder.js';
import { HUB_OPTIONS, type HubOptions } from '../base/hub-options.js';
import { checkOptions } from '../base/options.js';
import type { Platform } from '../base/platform.js';
import { responseFolder } from '../hub/folder.js';
import { openByName, within } from '../hub/open.js';

const host = (): string => env.remoteHost ?? 'https://huggingface.co/';

/**
 * Opens a model of the hub; each file is downloaded when it is first read, and then kept in the browser's Cache.
 * @param repo `org/name`
 * @param options `cache_dir` and `token: true` have no meaning here
 * @param local what is asked for a file before the hub is
 * @throws MobileNetError ARG for a name or revision that cannot be; reading throws NOT_FOUND, AUTH, IO, HASH
 */
export async function hubFolder(repo: string, options: HubOptions = {}, local?: Folder): Promise<Folder> {
  checkOptions(options, HUB_OPTIONS, 'hubFolder');
  const folder = await responseFolder(repo, options, host(), local);
  return within(folder, options.subfolder);
}

type OpenFolder = NonNullable<Platform['openFolder']>;

/** Opens names of the hub too, and by `openUrl` all others. */
export function withHub(openUrl: OpenFolder): OpenFolder {
  const open = async (path: string, options: HubOptions) => within(await openUrl(path, options), options.subfolder);
  return (path, options = {}) => openByName(path, options, { open, host, openHub: hubFolder });
}
