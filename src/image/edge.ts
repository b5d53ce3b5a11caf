/** What `mobilenet-v2/image` is in an edge runtime. */
import { env } from '../base/env.js';
import { edgePlatform } from '../codecs/edge.js';

env.platform = edgePlatform;

export * from './index.js';
