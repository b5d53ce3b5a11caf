/** What `mobilenet-v2` is in Node: the public surface, with files and the PNG and JPEG codecs in place. */
import { env } from './base/env.js';
import { settle } from './hub/settings.js';
import { fetchHere } from './node/fetch.js';
import { nodePlatform } from './node/platform.js';

env.platform = nodePlatform;
settle({ fetch: fetchHere });

export * from './index.js';
