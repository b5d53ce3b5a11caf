/** What `mobilenet-v2` is in Node: the public surface, with files and the PNG and JPEG codecs in place. */
import { env } from '../base/env.js';
import { nodePlatform } from '../platforms/node/platform.js';

env.platform = Object.assign(nodePlatform, {
  openModelFile: async (bytes: Uint8Array, file: string) =>
    (await import('../convert/model-file.js')).openModelFile(bytes, file),
});

export * from './main.js';
