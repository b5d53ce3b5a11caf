/** What `mobilenet-v2` is on edge runtimes (conditions `workerd` and `edge-light`): fetch, and codecs in JavaScript. */
import { env } from '../base/env.js';
import { openModelFile } from '../convert/model-file.js';
import * as kernels from '../layers/kernels-i16.js';
import { provideWholeNumbers } from '../layers/whole-numbers.js';
import { edgePlatform } from '../platforms/edge.js';

env.platform = Object.assign(edgePlatform, { openModelFile });
provideWholeNumbers(kernels);

export * from './main.js';
