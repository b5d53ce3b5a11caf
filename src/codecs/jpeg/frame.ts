/**
 * What the two halves of the decoder tell each other. The entropy half (scan.ts and its emitted loops) turns the bytes of a
 * file into coefficients; the sample half (samples/) turns coefficients into rows of pixels. Both are functions of one
 * WebAssembly module on one memory, so addresses are all that goes between them.
 */
import type { JpegColours } from './header.js';

export interface FrameComponent {
  /** As the frame header (SOF) names it. */
  readonly id: number;
  /** Sampling factors, 1 to 4: blocks across and down in one MCU. */
  readonly h: number;
  readonly v: number;
  /** Blocks in a stored row, those that fill up the last MCU with them: a multiple of `h`. */
  readonly blocksWide: number;
  /** Rows of blocks that the picture needs: ⌈height · v / vMax / 8⌉. The last row of MCUs may hold more. */
  readonly blocksHigh: number;
  /** Address of its 64 quantisers, u16 in natural order (row by row, not zigzag). They are those of the component's first scan. */
  readonly quant: number;
}

export interface Frame {
  /** In pixels, before EXIF turns them and before any `scale`. */
  readonly width: number;
  readonly height: number;
  readonly components: readonly FrameComponent[];
  /** The largest sampling factors: an MCU is 8 · hMax × 8 · vMax pixels. */
  readonly hMax: number;
  readonly vMax: number;
  /** In CMYK and YCCK the inks are stored inverted, as Adobe does and Pillow assumes of all. */
  readonly colours: JpegColours;
}

/** Each side is divided by it, rounded up, as libjpeg's `scale_denom` and Pillow's `draft` do. */
export type Scale = 1 | 2 | 4 | 8;

export interface ReconstructionOptions {
  readonly scale: Scale;
}

/** The emitted functions, by name. */
export type Exports = Readonly<Record<string, (...args: number[]) => number | undefined>>;

/** The instance's memory, of which everybody takes what he needs; all is given back at once, after the picture. */
export interface Memory {
  /**
   * Address of so many bytes, a multiple of 16. What they hold is not said. The memory may grow, and a view made before then
   * is of no use.
   */
  allocate(bytes: number): number;
  /** All of it, as it is now. Ask anew after an allocation. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Coefficients of one row of MCUs after another into rows of pixels for a sink: `new Reconstruction(frame, memory, exports,
 * sink, { scale })` of samples/reconstruction.ts. Its functions come into the module by `emitSamples(module)` of
 * samples/emit.ts.
 */
export interface CoefficientSink {
  /**
   * The next row of MCUs.
   * @param coefficients of each component the address of `v` rows of `blocksWide` blocks; a block is i16[64] in natural
   *   order, not yet dequantised. Multiples of 16
   * @param lastNonZero of each component the address of a byte for each of these blocks: an index in zigzag order after which
   *   all coefficients are 0. 0 where there is only DC
   */
  iMcuRow(coefficients: readonly number[], lastNonZero: readonly number[]): void;
  /** All rows of MCUs have been given. */
  finish(): void;
}
