/**
 * What a page gets from a CDN as one file (`unpkg` and `jsdelivr` in package.json): everything for browsers, names of the hub
 * too, and the checkpoints that ship, which the CDN has in the same package. scripts/bundle.mjs makes dist/mobilenet-v2.min.js of it.
 */
import { env } from '../base/env.js';

/** The folder `weights` of the package that a file of it came from: `…/dist/mobilenet-v2.min.js`, or `…/npm/mobilenet-v2`. */
function weightsBeside(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/dist\/[^/]*$|\/$/, '')}/weights/`;
}

env.platform.openShippedFolder = (name) => env.platform.openFolder!(`${weightsBeside(import.meta.url)}${name}/`);

export * from './hub-web.js';
export * from './main-web.js';
