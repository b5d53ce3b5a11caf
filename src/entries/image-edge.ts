/** What `mobilenet-v2/image` is in an edge runtime. */
import { env } from '../base/env.js';
import { edgePlatform } from '../platforms/edge.js';

env.platform = edgePlatform;

export * from './image.js';
