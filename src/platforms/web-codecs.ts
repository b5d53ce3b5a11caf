/**
 * What a page and its workers have to offer: files by `fetch`, pictures by the browser's decoders, and by our own where the
 * browser's pixels are not those of the file.
 */
import type { Platform } from '../base/platform.js';
import { loadCodec } from '../codecs/codec.js';
import { readJpeg } from '../codecs/jpeg/header.js';
import { decodePng, encodePng } from '../codecs/png/decode.js';
import { type PngLayout, paletteColours, readPng } from '../codecs/png/header.js';
import { canvasState } from '../images/canvas.js';
import { canDecode, webPlatform } from './web.js';

export const browserPlatform: Platform = {
  ...webPlatform,
  decodePng: async (bytes, file, options) =>
    isForCanvas(readPng(bytes, file)) && trustsCanvas()
      ? webPlatform.decodePng(bytes, file)
      : decodePng(bytes, file, options),
  decodeJpeg: async (bytes, file, options) => {
    // Browsers decode whole pictures only.
    const whole = (options?.scale ?? 1) === 1;
    if (whole && trustsCanvas() && readJpeg(bytes, file).rare === undefined) return webPlatform.decodeJpeg(bytes, file);
    // Kilobytes that few pages need.
    const { decodeJpeg } = await import('../codecs/jpeg/decode.js');
    const plain = () => loadCodec(import('../codecs/jpeg/jpeg-js.js'), 'JPEG', 'jpeg-js', file);
    return decodeJpeg(bytes, file, { ...options, plain });
  },
  encodePng, // a canvas would blacken what lies under transparency here too
};

/**
 * A canvas blackens what lies under full transparency, rounds 16 bits as the browser likes, and shows faults without a word:
 * a palette index without a color, missing rows.
 */
function isForCanvas(layout: PngLayout): boolean {
  const { colourType, depth, transparent, warnings } = layout;
  if (transparent || colourType === 4 || colourType === 6 || depth === 16 || warnings.length > 0) return false;
  return colourType !== 3 || paletteColours(layout) === 2 ** depth;
}

const trustsCanvas = (): boolean => canDecode() && canvasState() === 'sound';
