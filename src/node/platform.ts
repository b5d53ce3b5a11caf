/** What Node has to offer. The codecs are loaded when first used: pngjs, jpeg-js and ndarray take 25 ms together. */
import { availableParallelism } from 'node:os';
import type { Platform } from '../base/env.js';
import { openFolder, openShippedFolder, readKernels, readPicture, writeFolder } from './files.js';

export const nodePlatform: Platform = {
  openFolder,
  openShippedFolder,
  readFile: readPicture,
  writeFolder,
  decodePng: async (bytes, file) => (await import('./png.js')).decodePng(bytes, file),
  decodeJpeg: async (bytes, file) => (await import('../codecs/jpeg.js')).decodeJpeg(bytes, file),
  readKernels,
  parallelism: availableParallelism,
  startWorker: async (source, task, onExit) => (await import('./workers.js')).startWorker(source, task, onExit),
  encodePng: async (image) => (await import('./png.js')).encodePng(image),
};
