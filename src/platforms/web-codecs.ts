/**
 * What a page and its workers have to offer: files by `fetch`, PNG and JPEG by our own decoders, other formats by the
 * browser's. A canvas would give the same pixels of most files, later: in Chromium 12 megapixels of JPEG take 870 ms to a
 * tensor by a canvas and 156 by our decoder, which hands on rows and needs neither a bitmap nor a copy of it. A canvas also
 * blackens what lies under transparency, and some browsers change what is read from one.
 */
import type { Platform } from '../base/platform.js';
import { keepChannels, loadCodec } from '../codecs/codec.js';
import { readJpeg } from '../codecs/jpeg/header.js';
import { canvasState } from '../images/canvas.js';
import { canDecode, webPlatform } from './web.js';

export const browserPlatform: Platform = {
  ...webPlatform,
  openFolder: async (path, options) =>
    /^opfs:/i.test(path) ? (await loadOpfs()).openOpfsFolder(path, options) : webPlatform.openFolder(path, options),
  writeFolder: async (path, files) => (await loadOpfs()).writeFolder(path, files),
  folderStore: async () => (await loadOpfs()).opfsStore,
  // Decoders come with the first picture that needs them.
  decodePng: async (bytes, file, options) => (await loadPng()).decodePng(bytes, file, options),
  decodeJpeg: async (bytes, file, options) => {
    const { decodeJpeg } = await import('../codecs/jpeg/decode.js');
    return decodeJpeg(bytes, file, { ...options, plain: () => plainJpeg(bytes, file) });
  },
  encodePng: async (image) => (await loadPng()).encodePng(image),
};

const loadOpfs = () => import('./opfs.js');
const loadPng = () => import('../codecs/png/decode.js');

/** What decodes JPEG where WebAssembly may not be compiled: a canvas that can be trusted with this file, else jpeg-js. */
async function plainJpeg(bytes: Uint8Array, file: string) {
  const { rare, colours } = readJpeg(bytes, file);
  if (!trustsCanvas() || rare !== undefined) {
    return loadCodec(import('../codecs/jpeg/jpeg-js.js'), 'JPEG', 'jpeg-js', file);
  }
  const channels = colours === 'grey' ? 1 : 3;
  return { decodeJpeg: async () => keepChannels(await webPlatform.decodeJpeg(bytes, file), channels) };
}

const trustsCanvas = (): boolean => canDecode() && canvasState() === 'sound';
