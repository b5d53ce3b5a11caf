/**
 * Where numbers lie: a heap gives out regions of float32. There are two of them. `PlainHeap` makes a Float32Array for
 * every region. `WasmHeap` cuts them out of one WebAssembly.Memory, where emitted code and other threads reach them by
 * address, and gives freed ones out again.
 */
import { MobileNetError } from '../base/errors.js';

/** A piece of memory. */
export interface Region {
  /** Where it begins, in bytes. 0 in a PlainHeap, where no one asks. */
  readonly address: number;
  /** Elements. */
  readonly length: number;
  /** The elements themselves. Ask anew for every use: a memory that grows leaves its old views behind. */
  readonly view: Float32Array;
  /** A piece of this piece; offset and length in elements. */
  part(offset: number, length: number): Region;
}

export interface Heap {
  /** A region of so many elements, not cleared. `what` is for the message of OUT_OF_MEMORY. */
  allocate(elements: number, what: string): Region;
  free(region: Region): void;
}

export class PlainHeap implements Heap {
  allocate(elements: number, what: string): Region {
    try {
      return new PlainRegion(new Float32Array(elements));
    } catch (cause) {
      throw outOfMemory(elements * Float32Array.BYTES_PER_ELEMENT, what, cause);
    }
  }

  /** The garbage collector's work. */
  free(): void {}
}

class PlainRegion implements Region {
  readonly address = 0;
  readonly view: Float32Array;

  constructor(view: Float32Array) {
    this.view = view;
  }

  get length(): number {
    return this.view.length;
  }

  part(offset: number, length: number): Region {
    return new PlainRegion(this.view.subarray(offset, offset + length));
  }
}

const PAGE = 64 * 1024;
/** 4 GiB, all that 32 bits can address. */
export const MAX_PAGES = 65536;
/** Regions begin at cache lines. */
const LINE = 64;
/** Bytes behind every region that nobody owns: SIMD code may read this far past the end of what it wants. */
const SLACK = 64;

export class WasmHeap implements Heap {
  readonly memory: WebAssembly.Memory;
  /** Free ranges by address, no two touching. The first line stays free: address 0 means none. */
  readonly #free: { from: number; to: number }[] = [];
  #end: number;

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.#end = memory.buffer.byteLength;
    this.#release(LINE, this.#end);
  }

  allocate(elements: number, what: string): Region {
    const bytes = this.#footprint(elements);
    let at = this.#free.findIndex(({ from, to }) => to - from >= bytes);
    if (at < 0) {
      this.#grow(bytes, what);
      at = this.#free.length - 1;
    }
    const range = this.#free[at];
    const address = range.from;
    range.from += bytes;
    if (range.from === range.to) this.#free.splice(at, 1);
    return new WasmRegion(this.memory, address, elements);
  }

  free({ address, length }: Region): void {
    this.#release(address, address + this.#footprint(length));
  }

  #footprint(elements: number): number {
    return Math.ceil((elements * Float32Array.BYTES_PER_ELEMENT + SLACK) / LINE) * LINE;
  }

  /** Makes the last free range hold `bytes`. */
  #grow(bytes: number, what: string): void {
    const last = this.#free.at(-1);
    const there = last !== undefined && last.to === this.#end ? last.to - last.from : 0;
    const pages = Math.ceil((bytes - there) / PAGE);
    try {
      this.memory.grow(pages);
    } catch (cause) {
      throw outOfMemory(bytes, what, cause);
    }
    const end = this.#end + pages * PAGE;
    this.#release(this.#end, end);
    this.#end = end;
  }

  #release(from: number, to: number): void {
    const at = this.#free.findIndex((range) => range.from > from);
    const index = at < 0 ? this.#free.length : at;
    const before = this.#free[index - 1];
    const after = this.#free[index];
    const joinsBefore = before?.to === from;
    const joinsAfter = after?.from === to;
    if (joinsBefore && joinsAfter) {
      before.to = after.to;
      this.#free.splice(index, 1);
    } else if (joinsBefore) before.to = to;
    else if (joinsAfter) after.from = from;
    else this.#free.splice(index, 0, { from, to });
  }
}

class WasmRegion implements Region {
  readonly address: number;
  readonly length: number;
  readonly #memory: WebAssembly.Memory;
  #view: Float32Array | undefined;

  constructor(memory: WebAssembly.Memory, address: number, length: number) {
    this.#memory = memory;
    this.address = address;
    this.length = length;
  }

  get view(): Float32Array {
    if (this.#view?.buffer !== this.#memory.buffer) {
      this.#view = new Float32Array(this.#memory.buffer, this.address, this.length);
    }
    return this.#view;
  }

  part(offset: number, length: number): Region {
    return new WasmRegion(this.#memory, this.address + offset * Float32Array.BYTES_PER_ELEMENT, length);
  }
}

function outOfMemory(bytes: number, what: string, cause: unknown): MobileNetError {
  return new MobileNetError(
    'OUT_OF_MEMORY',
    `${what} needs ${Math.ceil(bytes / 2 ** 20)} MiB; use a smaller picture or batch`,
    { cause },
  );
}
