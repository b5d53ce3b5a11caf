/** What the readers of PNG and JPEG share. */
import { env } from '../base/env.js';
import { MobileNetError } from '../base/errors.js';

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
