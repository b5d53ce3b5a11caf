/**
 * What an edge runtime (workerd, Vercel's edge) has to offer: fetch, and codecs in JavaScript, since it has no decoder of
 * its own. One thread, no files, and nothing that is imported later or from Node.
 */
import type { Platform } from '../base/platform.js';
import { decodeJpeg, encodeJpeg } from '../codecs/jpeg/decode.js';
import { decodePng, encodePng } from '../codecs/png/decode.js';
import { webPlatform } from './web.js';

export const edgePlatform: Platform = { ...webPlatform, decodePng, decodeJpeg, encodePng, encodeJpeg };
