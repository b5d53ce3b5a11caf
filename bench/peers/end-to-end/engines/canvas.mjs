/** What pages do: the browser decodes, a canvas resizes, and the middle is read back. */
import { CROP, geometry } from './labels.mjs';

export async function cropOf(bytes) {
  const bitmap = await createImageBitmap(new Blob([bytes]));
  const { width, height, left, top } = geometry(bitmap.width, bitmap.height);
  const context = new OffscreenCanvas(CROP, CROP).getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, -left, -top, width, height);
  bitmap.close();
  return context.getImageData(0, 0, CROP, CROP);
}
