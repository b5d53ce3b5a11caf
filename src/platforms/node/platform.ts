/** What Node has to offer. The codecs are loaded when first used: pngjs, jpeg-js and ndarray take 25 ms together. */
import { availableParallelism } from 'node:os';
import { env } from '../../base/env.js';
import type { HubOptions } from '../../base/hub-options.js';
import type { Platform } from '../../base/platform.js';
import { withProgress } from '../../base/progress.js';
import { loadCodec } from '../../codecs/codec.js';
import { type OpenOptions, openByName, within } from '../../hub/open.js';
import { openShippedFolder, readKernels } from '../shipped.js';
import { fetchHere } from './fetch.js';
import { isFolder, openLocalFolder, readPicture, writeFolder } from './files.js';

const openLocal = async (path: string, options: OpenOptions) =>
  withProgress(within(await openLocalFolder(path, options.named), options.subfolder), options);

const host = (): string => env.remoteHost ?? process.env.HF_ENDPOINT ?? '';

const openHub = async (name: string, options: HubOptions) => (await import('./hub/folder.js')).hubFolder(name, options);

const loadJpegJs = (file: string) => loadCodec(import('../../codecs/jpeg/jpeg-js.js'), 'JPEG', 'jpeg-js', file);

export const nodePlatform: Platform = {
  openFolder: (path, options = {}) => openByName(path, options, { open: openLocal, isFolder, host, openHub }),
  openShippedFolder,
  fetch: fetchHere,
  readFile: readPicture,
  writeFolder,
  decodePng: async (bytes, file, options) =>
    (await import('../../codecs/png/decode.js')).decodePng(bytes, file, options),
  decodeJpeg: async (bytes, file, options) =>
    (await import('../../codecs/jpeg/decode.js')).decodeJpeg(bytes, file, {
      ...options,
      plain: () => loadJpegJs(file),
    }),
  inflate: async (bytes, format, most) => (await import('./inflate.js')).inflate(bytes, format, most),
  async *inflateInPieces(bytes) {
    yield* (await import('./inflate.js')).inflateInPieces(bytes);
  },
  readKernels,
  parallelism: availableParallelism,
  startWorker: async (source, task, onExit) => (await import('./workers.js')).startWorker(source, task, onExit),
  encodePng: async (image) => (await loadCodec(import('./png.js'), 'PNG', 'pngjs', 'image')).encodePng(image),
  encodeJpeg: async (image, quality) => (await loadJpegJs('image')).encodeJpeg(image, quality),
};
