/** What the readers of PNG and JPEG share. */
import { env } from '../base/env.js';
import { MobileNetError } from '../base/errors.js';
import { DEFAULT_LIMITS } from '../base/limits.js';

/** A part of a file, in bytes: from `start` up to `end`. */
export interface ByteRange {
  start: number;
  end: number;
}

/** @throws MobileNetError IMAGE always: `file` is damaged at byte `offset` */
export function refuse(file: string, offset: number, message: string): never {
  throw new MobileNetError('IMAGE', `${file}: ${message}`, { file, offset });
}

/** Refuses a picture that is too large before memory is taken for it. */
export function checkPixelLimit(width: number, height: number, file: string): void {
  if (width * height <= env.limits.imagePixels) return;
  throw new MobileNetError(
    'LIMIT',
    `${file}: ${width}×${height} pixels exceed env.limits.imagePixels (${env.limits.imagePixels}); raise it to read larger pictures`,
    { file },
  );
}

/**
 * What the work on one picture is measured by: `env.limits.imagePixels`, or its default where that is more. Who lowers the
 * limit still reads all pictures within it.
 */
export function mostPixels(): number {
  return Math.max(env.limits.imagePixels, DEFAULT_LIMITS.imagePixels);
}

/** Throws LIMIT for a picture whose pixels are few enough, but not the work on them. */
export function refuseWork(file: string, offset: number, what: string): never {
  const { imagePixels } = env.limits;
  throw new MobileNetError(
    'LIMIT',
    `${file}: ${what}, more than env.limits.imagePixels (${imagePixels}) allows; raise it, or save the picture anew`,
    { file, offset },
  );
}
