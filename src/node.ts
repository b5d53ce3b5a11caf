/** What `mobilenet-v2` is in Node: the public surface, with files and the PNG and JPEG codecs in place. */
import { env } from './base/env.js';
import { settle } from './hub/settings.js';
import { nodePlatform } from './node/platform.js';

env.platform = nodePlatform;
settle();

export * from './index.js';
