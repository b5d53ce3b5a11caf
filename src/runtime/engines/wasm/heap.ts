/** Cuts pieces out of one WebAssembly.Memory, where emitted code and other threads reach them by address, and gives freed ones out again. */
import { PAGE_BYTES } from '../../../tensor/wasm/memory.js';
import { outOfMemory } from '../plain.js';

/** Pieces begin at cache lines. */
const LINE = 64;
/** Bytes after every piece that nobody owns: SIMD code may read this far past the end of what it wants. */
const SLACK = 64;

export class WasmHeap {
  readonly memory: WebAssembly.Memory;
  /** Free ranges by address, no two touching. The first line stays free: address 0 means none. */
  readonly #free: { from: number; to: number }[] = [];
  #end: number;

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.#end = memory.buffer.byteLength;
    this.#release(LINE, this.#end);
  }

  /** The address of so many bytes, not cleared. @param what for the message of OUT_OF_MEMORY */
  allocate(length: number, what: string): number {
    const bytes = footprint(length);
    let at = this.#free.findIndex(({ from, to }) => to - from >= bytes);
    if (at < 0) {
      this.#grow(bytes, what);
      at = this.#free.length - 1;
    }
    const range = this.#free[at];
    const address = range.from;
    range.from += bytes;
    if (range.from === range.to) this.#free.splice(at, 1);
    return address;
  }

  free(address: number, length: number): void {
    this.#release(address, address + footprint(length));
  }

  /** Makes the last free range hold `bytes`. */
  #grow(bytes: number, what: string): void {
    const last = this.#free.at(-1);
    const there = last !== undefined && last.to === this.#end ? last.to - last.from : 0;
    const pages = Math.ceil((bytes - there) / PAGE_BYTES);
    try {
      this.memory.grow(pages);
    } catch (cause) {
      throw outOfMemory(bytes, what, cause);
    }
    const end = this.#end + pages * PAGE_BYTES;
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

/** Bytes that a piece takes. */
const footprint = (length: number): number => Math.ceil((length + SLACK) / LINE) * LINE;
