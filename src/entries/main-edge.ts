/** What `mobilenet-v2` is on edge runtimes (conditions `workerd` and `edge-light`): fetch, and codecs in JavaScript. */
import { env } from '../base/env.js';
import { edgePlatform } from '../platforms/edge.js';

env.platform = edgePlatform;

export * from './main.js';
