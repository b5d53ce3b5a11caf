/** What `mobilenet-v2/image` is in a browser. */
import { env } from '../base/env.js';
import { webPlatform } from '../processors/web.js';

Object.assign(env.platform, webPlatform);

export * from './index.js';
