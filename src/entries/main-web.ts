/** What `mobilenet-v2` is outside Node and edge runtimes: the public surface, with fetch and the browser's codecs in place. */
import { env } from '../base/env.js';
import { provideWholeNumbers } from '../layers/whole-numbers.js';
import { provideGradients } from '../models/mobilenet-v2/load-gradients.js';
import { browserPlatform } from '../platforms/web-codecs.js';

Object.assign(env.platform, browserPlatform, {
  openModelFile: async (bytes: Uint8Array, file: string) =>
    (await import('../convert/model-file.js')).openModelFile(bytes, file),
});
provideWholeNumbers(() => import('../layers/kernels-i16.js'));
provideGradients(() => import('../models/mobilenet-v2/gradients.js'));

export * from './main.js';
