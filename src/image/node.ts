/** What `mobilenet-v2/image` is in Node. */
import { env } from '../base/env.js';
import { nodePlatform } from '../node/platform.js';

env.platform = nodePlatform;

export * from './index.js';
