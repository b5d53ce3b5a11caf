/**
 * What a browser can draw and gives no pixels of by itself: frames of films, bitmaps, elements. Told apart by what they
 * have, not by their class, so that this file can be loaded where none of the classes exists.
 */
import { MobileNetError, show } from '../base/errors.js';
import type { Pixels } from '../base/pixels.js';
import { checkPixelLimit } from '../codecs/header.js';
import { checkCanvas, hasCanvas, newContext } from './canvas.js';

/** The part of HTMLCanvasElement and OffscreenCanvas that reading needs. */
export interface CanvasLike {
  readonly width: number;
  readonly height: number;
  /** The context that pixels are read from. */
  getContext(kind: '2d'): unknown;
}

/** What a canvas gives as ImageData: RGBA, straight alpha. */
export type ImageDataLike = Omit<Pixels, 'channels'>;

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

/** The parts of elements that come from a network. */
interface Loading {
  currentSrc?: unknown;
  src?: unknown;
  decode?(): Promise<void>;
}

/**
 * Waits for an image element that is still being loaded.
 * @returns where its file is; undefined for anything but an image element
 * @throws MobileNetError IO where it cannot be loaded, ARG for an element without a source
 */
export async function whenLoaded(source: DrawableLike): Promise<string | undefined> {
  if (!('naturalWidth' in source)) return undefined;
  const image = source as Loading;
  try {
    await image.decode?.();
  } catch (cause) {
    // A source that could not be loaded is not always the current one.
    const file = String(image.currentSrc || image.src || '').slice(0, 200);
    if (file === '')
      throw new MobileNetError('ARG', 'image: the image element has no source; set its src first', { cause });
    const message = `${file}: the image element has no picture (${(cause as Error)?.message ?? cause})`;
    throw new MobileNetError('IO', message, { file, cause });
  }
  return typeof image.currentSrc === 'string' && image.currentSrc !== '' ? image.currentSrc : undefined;
}

/**
 * The pixels, RGBA.
 * @throws MobileNetError ARG for a frame that is closed or a film that has not begun, UNSUPPORTED without
 *   OffscreenCanvas or where the browser keeps another site's picture to itself, LIMIT above `env.limits.imagePixels`
 */
export function pixelsOf(source: DrawableLike): ImageData {
  const [width, height] = sizeOf(source)!;
  // A video may know its size before it has a picture, and would then be drawn as nothing.
  const begun = !('videoWidth' in source) || ((source as { readyState?: number }).readyState ?? 2) >= 2;
  return draw(source, begun ? width : 0, begun ? height : 0);
}

/** The same of a canvas, by its own context where that is 2d. */
export function canvasPixels(canvas: CanvasLike): ImageDataLike {
  const { width, height } = canvas;
  checkSize(canvas, width, height);
  checkCanvas(`the ${nameOf(canvas)}`);
  let context: { getImageData(x: number, y: number, w: number, h: number): ImageDataLike } | null;
  try {
    context = canvas.getContext('2d') as typeof context;
  } catch (cause) {
    const remedy = 'read it where it was transferred to, or draw on it first';
    throw new MobileNetError('ARG', `image: the ${nameOf(canvas)} cannot be read (${messageOf(cause)}); ${remedy}`, {
      cause,
    });
  }
  if (context === null) return draw(canvas, width, height); // of WebGL or WebGPU: as it is shown
  try {
    return context.getImageData(0, 0, width, height);
  } catch (cause) {
    throw unreadable(canvas, cause);
  }
}

const nameOf = (source: object): string => source.constructor?.name ?? 'image';
const messageOf = (cause: unknown): string => (cause as Error)?.message ?? String(cause);

function checkSize(source: object, width: number, height: number): void {
  if (!(width >= 1 && height >= 1)) {
    throw new MobileNetError(
      'ARG',
      `image: the ${nameOf(source)} has no pixels (${show(width)}×${show(height)}); is it closed, transferred, or not loaded yet?`,
    );
  }
  checkPixelLimit(width, height, nameOf(source));
}

function draw(source: object, width: number, height: number): ImageData {
  checkSize(source, width, height);
  if (!hasCanvas()) {
    throw new MobileNetError(
      'UNSUPPORTED',
      `image: a ${nameOf(source)} needs OffscreenCanvas, which this place does not have`,
    );
  }
  checkCanvas(`the ${nameOf(source)}`);
  const context = newContext(width, height);
  try {
    context.drawImage(source as CanvasImageSource, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  } catch (cause) {
    throw unreadable(source, cause);
  }
}

function unreadable(source: object, cause: unknown): MobileNetError {
  const remedy = 'one of another site needs crossorigin and its permission';
  return new MobileNetError(
    'UNSUPPORTED',
    `image: the ${nameOf(source)} cannot be read (${messageOf(cause)}); ${remedy}`,
    { cause },
  );
}
