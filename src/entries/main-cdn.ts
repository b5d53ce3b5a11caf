/**
 * What a page gets from a CDN as one file (`unpkg` and `jsdelivr` in package.json): everything for browsers, names of the hub
 * too, and the checkpoints that ship, which the CDN has in the same package. scripts/bundle.mjs makes dist/mobilenet-v2.min.js of it, without
 * what computes gradients.
 */
import { env } from '../base/env.js';
import { openShippedFolder } from '../platforms/cdn.js';

env.platform.openShippedFolder = openShippedFolder;

export * from './hub-web.js';
export * from './main-web.js';
