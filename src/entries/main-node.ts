/** What `mobilenet-v2` is in Node: the public surface, with files and the PNG and JPEG codecs in place. */
import { env } from '../base/env.js';
import { nodePlatform } from '../platforms/node/platform.js';

env.platform = nodePlatform;

export * from './main.js';
