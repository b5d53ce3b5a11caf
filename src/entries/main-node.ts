/** What `mobilenet-v2` is in Node: the public surface, with files and the PNG and JPEG codecs in place. */
import { env } from '../base/env.js';
import * as kernels from '../layers/kernels-i16.js';
import { provideWholeNumbers } from '../layers/whole-numbers.js';
import { provideGradients } from '../models/mobilenet-v2/load-gradients.js';
import { nodePlatform } from '../platforms/node/platform.js';

env.platform = Object.assign(nodePlatform, {
  openModelFile: async (bytes: Uint8Array, file: string) =>
    (await import('../convert/model-file.js')).openModelFile(bytes, file),
});
provideWholeNumbers(kernels);
provideGradients(() => import('../models/mobilenet-v2/gradients.js'));

export * from './main.js';
