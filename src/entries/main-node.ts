/** What `mobilenet-v2` is in Node: the public surface, with files and the PNG and JPEG codecs in place. */
import { env } from '../base/env.js';
import { installHubSettings } from '../hub/settings.js';
import { fetchHere } from '../platforms/node/fetch.js';
import { nodePlatform } from '../platforms/node/platform.js';

env.platform = nodePlatform;
installHubSettings({ fetch: fetchHere });

export * from './main.js';
