/**
 * What a browser can draw and gives no pixels of by itself: frames of films, bitmaps, elements. Told apart by what they
 * have, not by their class, so that this file can be loaded where none of the classes exists.
 */
import { MobileNetError, show } from '../base/errors.js';
import { checkPixelLimit } from './header.js';

/** The parts of VideoFrame, ImageBitmap, HTMLVideoElement and HTMLImageElement that count. */
export type DrawableLike =
  | (Closable & { readonly displayWidth: number; readonly displayHeight: number })
  | { readonly videoWidth: number; readonly videoHeight: number }
  | { readonly naturalWidth: number; readonly naturalHeight: number }
  | (Closable & { readonly width: number; readonly height: number });

interface Closable {
  /** Gives its pixels back. */
  close(): void;
}

/** [width, height] in pixels as shown; undefined for what cannot be drawn. */
function sizeOf(input: unknown): [width: number, height: number] | undefined {
  if (typeof input !== 'object' || input === null) return undefined;
  const { displayWidth, displayHeight, videoWidth, videoHeight, naturalWidth, naturalHeight, width, height, close } =
    input as Record<string, unknown>;
  const sizes = [
    [displayWidth, displayHeight],
    [videoWidth, videoHeight],
    [naturalWidth, naturalHeight],
    ...(typeof close === 'function' ? [[width, height]] : []),
  ];
  return sizes.find(([w, h]) => typeof w === 'number' && typeof h === 'number') as [number, number] | undefined;
}

export function isDrawable(input: unknown): input is DrawableLike {
  return sizeOf(input) !== undefined;
}

/**
 * The pixels, RGBA.
 * @throws MobileNetError ARG for a frame that is closed or a film that has not begun, UNSUPPORTED without
 *   OffscreenCanvas or where the browser keeps another site's picture to itself, LIMIT above `env.limits.imagePixels`
 */
export function pixelsOf(source: DrawableLike): ImageData {
  const name = source.constructor?.name ?? 'image';
  const [width, height] = sizeOf(source)!;
  if (!(width >= 1 && height >= 1)) {
    throw new MobileNetError(
      'ARG',
      `image: the ${name} has no picture (${show(width)}×${show(height)}); is it closed, or not loaded yet?`,
    );
  }
  checkPixelLimit(width, height, name);
  if (typeof OffscreenCanvas === 'undefined') {
    throw new MobileNetError('UNSUPPORTED', `image: a ${name} needs OffscreenCanvas, which is not here`);
  }
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (context === null)
    throw new MobileNetError('OUT_OF_MEMORY', `a canvas of ${width}×${height} pixels cannot be had`);
  try {
    context.drawImage(source as CanvasImageSource, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  } catch (cause) {
    const remedy = 'one of another site needs crossorigin and its permission';
    throw new MobileNetError(
      'UNSUPPORTED',
      `image: the ${name} cannot be read (${(cause as Error).message}); ${remedy}`,
      {
        cause,
      },
    );
  }
}
