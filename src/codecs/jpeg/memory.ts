/** The memory of the decoder: taken from the bottom up, given back at once. */
import { growTo } from '../../tensor/wasm/memory.js';
import type { Memory } from './frame.js';

/** Room after the last byte, so that loops may read a vector or two further than they need. */
const SLACK = 64;
/** The emitted loops compare addresses as signed numbers. */
const MOST = 2 ** 31;

export class DecoderMemory implements Memory {
  readonly memory = new WebAssembly.Memory({ initial: 1 });
  readonly #bottom: number;
  #top: number;

  /** @param bottom bytes that are never given away */
  constructor(bottom = 0) {
    this.#bottom = bottom;
    this.#top = bottom;
  }

  /** @throws RangeError where there is no more memory */
  allocate(bytes: number): number {
    const address = this.#top;
    const top = address + Math.ceil(bytes / 16) * 16;
    if (top + SLACK > MOST) throw new RangeError(`no memory for ${top} bytes`);
    growTo(this.memory, top + SLACK);
    this.#top = top;
    return address;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer);
  }

  /** Gives all back. */
  clear(): void {
    this.#top = this.#bottom;
  }
}
