/** The two passes of a resize, as plain JavaScript and as emitted WebAssembly make them: the same bytes. */
import type { Taps } from './taps.js';

/** What passes are made for. */
export interface PassesSpec {
  horizontal: Taps;
  vertical: Taps;
  /** The source pixel that a row given to `alongRows` begins with. */
  left: number;
  /** Bytes of a source pixel, of which the first `channels` count; the result has these alone. */
  pixelBytes: number;
  channels: number;
  /** Bytes of memory that rows need. */
  bytes: number;
  /** How much work both passes are, all rows together. */
  multiplyAdds: number;
}

/** Both passes on a piece of memory, in which a row is named by the address of its first byte. */
export interface Passes {
  readonly memory: Uint8ClampedArray;
  /**
   * The pass along rows: `rows` rows, `stride` bytes apart, to as many that are `outStride` bytes apart. It may write three
   * bytes more than a row has.
   */
  alongRows(from: number, stride: number, rows: number, to: number, outStride: number): void;
  /**
   * The pass along columns: row `index` of the result from the rows it needs, of `length` bytes and `stride` bytes apart.
   * It may read one row more than that, and write 15 bytes more than a row has.
   */
  downColumns(index: number, from: number, stride: number, length: number, to: number): void;
  /** Gives the memory back. */
  release(): void;
}

export type MakePasses = (spec: PassesSpec) => Passes;
