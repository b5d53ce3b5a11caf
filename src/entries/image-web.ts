/** What `mobilenet-v2/image` is in a browser. */
import { env } from '../base/env.js';
import { browserPlatform } from '../platforms/web-codecs.js';

Object.assign(env.platform, browserPlatform);

export * from './image.js';
