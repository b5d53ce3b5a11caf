/**
 * From filtered rows to samples of 8 bits, in plain JavaScript, and what its WebAssembly twin (wasm.ts) must do as well.
 * Both work on one piece of memory with fixed places in it, so that the caller (rows.ts) need not know which it has.
 */

/** The places. Everything that is read in steps of 16 bytes has as many bytes of room after it. */
export const PLACE = {
  /** 16 bytes: which bytes of the row make the next bytes of the result. See `RowTask.depth`. */
  mask: 0,
  /** 8 bytes: the pixel above and left of a task's first one. */
  corner: 16,
  /** 4 bytes: the fourth bytes of all colors that were looked up, or-ed together, in the highest byte. */
  seen: 24,
  /** 256 colors of 4 bytes. */
  table: 32,
  /** Filtered bytes, in a stream. */
  from: 2048,
} as const;

/** What is to be done with some rows, or with a part of one. */
export interface RowTask {
  /** Address of the filtered bytes. */
  from: number;
  rows: number;
  /** Bytes of each, without the filter byte. */
  bytes: number;
  /** 0 to 4; −1 where a filter byte stands before each row. */
  filter: number;
  /** Address of the row above, which becomes the row itself. Before it stands the pixel to the left. */
  row: number;
  /** Bytes from one pixel to the next, at least 1. */
  pixelBytes: number;
  /** Address of the result. */
  to: number;
  /** Pixels of each row, and bytes that each becomes. */
  columns: number;
  channels: number;
  /**
   * Bits of an index into the table. 0 where bytes are picked by the mask: 16 bytes of the row hold `group` pixels, which
   * become as many pixels of the result.
   */
  depth: number;
  group: number;
}

/** The order in which the WebAssembly function takes them. */
export const TASK_FIELDS = [
  'from', 'rows', 'bytes', 'filter', 'row', 'pixelBytes', 'to', 'columns', 'channels', 'depth', 'group',
] as const satisfies readonly (keyof RowTask)[]; // biome-ignore format: a list

/** Memory, and the one function that works on it. */
export interface RowKernel {
  /** Anew after each `reserve`. */
  heap: Uint8Array<ArrayBuffer>;
  /** Makes the memory at least so large. */
  reserve(bytes: number): void;
  run(task: RowTask): void;
}

/** Where WebAssembly may not be compiled. */
export function kernelInJs(): RowKernel {
  return {
    heap: new Uint8Array(),
    reserve(bytes) {
      if (this.heap.length < bytes) this.heap = new Uint8Array(bytes);
    },
    run(task) {
      const { rows, bytes, filter, columns, channels, depth } = task;
      let { from, to } = task;
      for (let y = 0; y < rows; y++) {
        unfilter(this.heap, filter < 0 ? this.heap[from++] : filter, from, task);
        from += bytes;
        if (depth === 0) pick(this.heap, to, task);
        else lookUp(this.heap, to, task);
        to += columns * channels;
      }
    },
  };
}

/** Section 9.2 of the PNG specification. */
function unfilter(heap: Uint8Array, filter: number, from: number, { row, bytes, pixelBytes }: RowTask): void {
  if (filter === 0) {
    heap.copyWithin(row, from, from + bytes);
    return;
  }
  if (filter === 2) {
    for (let i = 0; i < bytes; i++) heap[row + i] += heap[from + i];
    return;
  }
  for (let byte = 0; byte < pixelBytes; byte++) {
    let left = heap[row + byte - pixelBytes];
    let corner = heap[PLACE.corner + byte];
    for (let i = byte; i < bytes; i += pixelBytes) {
      const above = heap[row + i];
      const guess = filter === 1 ? left : filter === 3 ? (left + above) >> 1 : paeth(left, above, corner);
      left = (heap[from + i] + guess) & 255;
      heap[row + i] = left;
      corner = above;
    }
  }
}

/**
 * Section 9.4: of the three neighbors the one that is nearest to left + above − corner. Where the corner is in the lowest
 * third of what lies between the others, or below, that is the higher of them; in the highest third, the lower; else the
 * corner. This form, by Fabian Giesen in stb_image, has fewer steps that wait for the pixel to the left.
 */
function paeth(left: number, above: number, corner: number): number {
  const limit = 3 * corner - above - left;
  const low = left < above ? left : above;
  const high = left < above ? above : left;
  if (limit <= low) return high;
  return high <= limit ? low : corner;
}

function pick(heap: Uint8Array, to: number, { row, columns, channels, pixelBytes }: RowTask): void {
  const first = heap[PLACE.mask];
  const second = heap[PLACE.mask + 1];
  const third = heap[PLACE.mask + 2];
  for (let x = 0, at = row; x < columns; x++, at += pixelBytes) {
    heap[to++] = heap[at + first];
    if (channels === 3) {
      heap[to++] = heap[at + second];
      heap[to++] = heap[at + third];
    }
  }
}

/** Section 7.2: of samples smaller than a byte the first stands in the highest bits. */
function lookUp(heap: Uint8Array, to: number, { row, columns, channels, depth }: RowTask): void {
  const most = (1 << depth) - 1;
  let seen = heap[PLACE.seen + 3];
  for (let x = 0; x < columns; x++) {
    const bit = x * depth;
    const color = PLACE.table + 4 * ((heap[row + (bit >> 3)] >> (8 - depth - (bit & 7))) & most);
    heap[to++] = heap[color];
    if (channels === 3) {
      heap[to++] = heap[color + 1];
      heap[to++] = heap[color + 2];
    }
    seen |= heap[color + 3];
  }
  heap[PLACE.seen + 3] = seen;
}
