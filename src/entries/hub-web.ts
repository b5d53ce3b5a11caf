/**
 * `mobilenet-v2/hub` outside Node. Importing it is enough for `pipeline(task, 'org/name')`; it is an entry of its own,
 * as an application that hosts its model does without it.
 */
import { env, type Folder, HUB_OPTIONS, type HubOptions } from '../base/env.js';
import { checkOptions } from '../base/options.js';
import { responseFolder } from '../hub/folder.js';
import { openByName, within } from '../hub/open.js';
import { installHubSettings } from '../hub/settings.js';
import './main-web.js';

installHubSettings();

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

const openUrl = env.platform.openFolder!;
const open = async (path: string, options: HubOptions) => within(await openUrl(path, options), options.subfolder);
env.platform.openFolder = (path, options = {}) => openByName(path, options, { open, host, openHub: hubFolder });

export type { HubOptions, HubSettings, ProgressInfo, ResponseCache } from '../base/env.js';
