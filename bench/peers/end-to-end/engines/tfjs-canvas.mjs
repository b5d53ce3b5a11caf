/** tfjs in a page, which reads the pixels of a picture itself. */
import { openTfjs } from './tfjs.mjs';

export async function open(options) {
  const classify = await openTfjs(options);
  return async (bytes) => {
    const bitmap = await createImageBitmap(new Blob([bytes]));
    const best = classify((tf) => tf.browser.fromPixels(bitmap));
    bitmap.close();
    return best;
  };
}
