/** Canvases, through which a browser gives pixels: made, read, and checked for the noise that some browsers add. */
import { warn } from '../base/env.js';
import { MobileNetError } from '../base/errors.js';

/** A context to draw on and to read from. */
export function newContext(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (context === null) {
    throw new MobileNetError('OUT_OF_MEMORY', `a canvas of ${width}×${height} pixels cannot be made here`);
  }
  return context;
}

/**
 * What reading a canvas gives here. Against fingerprinting, Firefox with `privacy.resistFingerprinting` (Tor Browser) gives
 * other pixels altogether, and Firefox's private windows, Brave and others change a few pixels a little.
 */
export type CanvasState = 'sound' | 'noisy' | 'useless' | 'absent';

/** Whether there is a canvas in this place. */
export const hasCanvas = (): boolean => typeof OffscreenCanvas !== 'undefined';

let checked: { by: unknown; state: CanvasState } | undefined;

/** Looks once: known pixels go in, and what comes out is compared. What is wrong is said once too. */
export function canvasState(): CanvasState {
  if (!hasCanvas()) return 'absent';
  if (checked?.by !== OffscreenCanvas) checked = { by: OffscreenCanvas, state: look() };
  return checked.state;
}

const SIDE = 64;
/** Noise that keeps a picture what it was changes the lowest bits alone. */
const SLIGHT = 3;
const CAUSE =
  "pixels read from a canvas are changed here, by the browser's protection against fingerprinting (Firefox: privacy.resistFingerprinting)";

function look(): CanvasState {
  const context = newContext(SIDE, SIDE);
  const pixels = context.createImageData(SIDE, SIDE);
  // Of many colors: one alone is not changed by every protection.
  for (let i = 0; i < pixels.data.length; i++) pixels.data[i] = i % 4 === 3 ? 255 : (i * 7919) >> 5;
  const expected = pixels.data.slice();
  context.putImageData(pixels, 0, 0);
  const got = context.getImageData(0, 0, SIDE, SIDE).data;
  const most = expected.reduce((worst, value, i) => Math.max(worst, Math.abs(value - got[i])), 0);
  if (most === 0) return 'sound';
  warn(`${CAUSE}; PNG and JPEG files are decoded without a canvas`);
  return most > SLIGHT ? 'useless' : 'noisy';
}

/** @throws MobileNetError UNSUPPORTED where what a canvas gives has nothing to do with what was drawn */
export function checkCanvas(what: string): void {
  if (canvasState() !== 'useless') return;
  throw new MobileNetError(
    'UNSUPPORTED',
    `${what}: ${CAUSE}; hand in the PNG or JPEG file itself, or let the site read canvases`,
  );
}
