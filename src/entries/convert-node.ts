/** What `mobilenet-v2/convert` is in Node: the converters, with files and zlib in place. */
import { env } from '../base/env.js';
import { nodePlatform } from '../platforms/node/platform.js';

env.platform = nodePlatform;

export * from '../convert/convert.js';
