/**
 * `env`: what the library runs on, the limits it keeps, how it finds models by name, and who hears its warnings. The entries
 * put the platform of their place in; until then the basic one holds.
 */
import { MobileNetError } from './errors.js';
import { DEFAULT_SETTINGS, type HubSettings } from './hub-options.js';
import { DEFAULT_LIMITS, type Limits } from './limits.js';
import { basicPlatform, type Platform } from './platform.js';

interface Environment {
  platform: Platform;
  limits: Limits;
  /**
   * Hears of what went well although something is wrong: a damaged file that could be read, a canvas that changes pixels.
   * The message names the file. The default writes it to the console; null keeps warnings silent.
   */
  onWarning: ((message: string) => void) | null;
}

/** All of it can be assigned to. */
export const env: Environment & HubSettings = {
  platform: { ...basicPlatform },
  limits: { ...DEFAULT_LIMITS },
  onWarning: (message) => console.warn(`mobilenet-v2: ${message}`),
  ...DEFAULT_SETTINGS,
  fetch: (...request) => (env.platform.fetch ?? globalThis.fetch)(...request),
};

/** Tells whoever listens about something that is wrong and stops nothing. */
export function warn(message: string): void {
  env.onWarning?.(message);
}

/** The named service of the platform, or an error that says what is missing. */
export function requirePlatform<K extends keyof Platform>(service: K, wanted: string): NonNullable<Platform[K]> {
  const found = env.platform[service];
  if (found === undefined) {
    throw new MobileNetError(
      'UNSUPPORTED',
      `${wanted}: env.platform.${service} is not set; import 'mobilenet-v2' in Node, or set it`,
    );
  }
  return found;
}
