/** What the settings of the hub are where nobody has set them. */
import { env, type HubSettings } from '../base/env.js';

const DEFAULTS: HubSettings = {
  allowRemoteModels: true,
  allowLocalModels: true,
  remoteHost: null,
  remotePathTemplate: '{model}/resolve/{revision}/',
  localModelPath: null,
  cacheDir: null,
  useFSCache: true,
  useBrowserCache: true,
  customCache: null,
  fetch: (...request) => globalThis.fetch(...request),
  network: { attempts: 5, backoff: 500, timeout: 10_000 },
};

/** To be called before any of them is read; what is set already stays. `own` are the defaults of a platform. */
export function settle(own: Partial<HubSettings> = {}): void {
  Object.assign(env, { ...DEFAULTS, ...own, ...env });
}
