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
import { lazy } from './modules.js';

const openLocal = async (path: string, options: OpenOptions) =>
  withProgress(within(await openLocalFolder(path, options.named), options.subfolder), options);

const host = (): string => env.remoteHost ?? process.env.HF_ENDPOINT ?? '';

const hub = lazy(() => import('./hub/folder.js'));
const pngDecoder = lazy(() => import('../../codecs/png/decode.js'));
const pngEncoder = lazy(() => import('./png.js'));
const jpegDecoder = lazy(() => import('../../codecs/jpeg/decode.js'));
const jpegJs = lazy(() => import('../../codecs/jpeg/jpeg-js.js'));
const zlib = lazy(() => import('./inflate.js'));
const folderStore = lazy(() => import('./folder-store.js'));
const files = lazy(() => import('./walk.js'));
const workers = lazy(() => import('./workers.js'));

const openHub = async (name: string, options: HubOptions) => (await hub()).hubFolder(name, options);

const loadJpegJs = (file: string) => loadCodec(jpegJs(), 'JPEG', 'jpeg-js', file);

export const nodePlatform: Platform = {
  openFolder: (path, options = {}) => openByName(path, options, { open: openLocal, isFolder, host, openHub }),
  openShippedFolder,
  fetch: fetchHere,
  readFile: readPicture,
  listFiles: async (path) => (await files()).listFiles(path),
  writeFolder,
  folderStore: async () => (await folderStore()).nodeFolderStore,
  decodePng: async (bytes, file, options) => (await pngDecoder()).decodePng(bytes, file, options),
  decodeJpeg: async (bytes, file, options) =>
    (await jpegDecoder()).decodeJpeg(bytes, file, { ...options, plain: () => loadJpegJs(file) }),
  inflate: async (bytes, format, most) => (await zlib()).inflate(bytes, format, most),
  async *inflateInPieces(bytes) {
    yield* (await zlib()).inflateInPieces(bytes);
  },
  readKernels,
  parallelism: availableParallelism,
  startWorker: async (source, task, onExit) => (await workers()).startWorker(source, task, onExit),
  encodePng: async (image) => (await loadCodec(pngEncoder(), 'PNG', 'pngjs', 'image')).encodePng(image),
  encodeJpeg: async (image, quality) => (await loadJpegJs('image')).encodeJpeg(image, quality),
};
