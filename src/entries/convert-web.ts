/** What `mobilenet-v2/convert` is outside Node: the converters, with fetch and the browser's unpacking in place. */
import { env } from '../base/env.js';
import { webPlatform } from '../platforms/web.js';

env.platform = { ...webPlatform, ...env.platform }; // what another entry has put there stays

export * from '../convert/convert.js';
