/**
 * What unpacking may cost. A kilobyte can unpack to a megabyte, that again to a gigabyte, and a file may say the same
 * bytes a thousand times over; so all that is unpacked of one model counts together, and together it has no more bytes
 * than its weights may have.
 */
import { env } from '../base/env.js';
import { MobileNetError } from '../base/errors.js';

export class Unpacking {
  /** Bytes that were made so far. */
  made = 0;
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** To be asked before memory is taken. @throws MobileNetError LIMIT */
  take(bytes: number, what: string, offset?: number): void {
    this.made += bytes;
    const most = env.limits.weightsBytes;
    if (this.made <= most) return;
    throw new MobileNetError(
      'LIMIT',
      `${this.#file}: unpacks to more than ${most} bytes, with ${what}; raise env.limits.weightsBytes if you trust it`,
      { file: this.#file, offset },
    );
  }
}
