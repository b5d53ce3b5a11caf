/** The default settings of the hub. */
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

/** Called before any setting is read; what is set already stays. `own` are the defaults of a platform. */
export function installHubSettings(own: Partial<HubSettings> = {}): void {
  Object.assign(env, { ...DEFAULTS, ...own, ...env });
}
