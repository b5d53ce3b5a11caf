/** What `mobilenet-v2/image` is in Node. */
import { env } from '../base/env.js';
import { nodePlatform } from '../platforms/node/platform.js';

env.platform = nodePlatform;

export * from './image.js';
