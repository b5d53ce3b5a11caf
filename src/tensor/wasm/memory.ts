/** Memories of WebAssembly grow by pages. */
export const PAGE_BYTES = 64 * 1024;

/** Makes a memory at least so large. @throws RangeError where no more is to be had */
export function growTo(memory: WebAssembly.Memory, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
}
