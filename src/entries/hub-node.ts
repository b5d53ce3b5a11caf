/** `mobilenet-v2/hub` in Node: models of the hub as files, and what is kept of them. */
import { env } from '../base/env.js';
import { fetchHere } from '../platforms/node/fetch.js';

env.platform.fetch ??= fetchHere; // proxies, where no other entry has put the platform in place

export type { HubOptions, HubSettings, ProgressInfo, ResponseCache } from '../base/hub-options.js';
export { cacheFolder } from '../platforms/node/hub/environment.js';
export { hubFolder } from '../platforms/node/hub/folder.js';
export {
  type CachedFile,
  type CachedModel,
  type CachedRevision,
  removeFromCache,
  scanCache,
  type Verdict,
  verifyCache,
} from '../platforms/node/hub/manage.js';
export { hf_hub_download, type SnapshotOptions, snapshot_download } from '../platforms/node/hub/snapshot.js';
