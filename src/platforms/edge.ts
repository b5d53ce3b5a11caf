/**
 * What an edge runtime (workerd, Vercel's edge) has to offer: fetch, and codecs in JavaScript, since it has no decoder of
 * its own. One thread, no files, and nothing that is imported later or from Node.
 */
import type { Platform } from '../base/platform.js';
import { decodeJpeg } from '../codecs/jpeg/decode.js';
import * as jpegJs from '../codecs/jpeg/jpeg-js.js';
import { decodePng, encodePng } from '../codecs/png/decode.js';
import { webPlatform } from './web.js';

export const edgePlatform: Platform = {
  ...webPlatform,
  decodePng,
  // workerd and Vercel's edge compile no WebAssembly from bytes; other runtimes of this kind do.
  decodeJpeg: (bytes, file, options) => decodeJpeg(bytes, file, { ...options, plain: async () => jpegJs }),
  encodePng,
  encodeJpeg: jpegJs.encodeJpeg,
};
