/**
 * From coefficients to rows of pixels, one row of MCUs after another: inverse transform, enlarging of subsampled components,
 * colours. Of the picture it holds one row of MCUs and the few rows above that smoothing looks back to.
 */
import type { RowSink } from '../../../base/pixels.js';
import type { CoefficientSink, Exports, Frame, FrameComponent, Memory, ReconstructionOptions } from '../frame.js';
import { BLOCK } from './idct.js';
import { type ComponentPlan, type Plan, planOf } from './plan.js';
import { BYTES } from './vectors.js';

/** Room after rows, which loops in whole vectors write: three of pixels. */
const SPARE = 3 * BYTES;

/** The rows of one component that are in memory. */
interface Plane {
  readonly component: FrameComponent;
  readonly plan: ComponentPlan;
  /** Address of the first row, and bytes from row to row. */
  readonly rows: number;
  readonly stride: number;
  /** Rows kept from the row of MCUs before; they stand first. */
  readonly kept: number;
  /** An enlarged row, and sums of 16 bits on the way to it with one before the first. */
  readonly enlarged: number;
  readonly sums: number;
}

export class Reconstruction implements CoefficientSink {
  readonly #frame: Frame;
  readonly #memory: Memory;
  readonly #exports: Exports;
  readonly #sink: RowSink;
  readonly #plan: Plan;
  readonly #planes: readonly Plane[];
  readonly #channels: 1 | 3;
  /** Address of the finished rows. */
  readonly #pixels: number;
  /** Rows of MCUs that came, and rows of pixels that went. */
  #came = 0;
  #went = 0;

  constructor(frame: Frame, memory: Memory, exports: Exports, sink: RowSink, { scale }: ReconstructionOptions) {
    this.#frame = frame;
    this.#memory = memory;
    this.#exports = exports;
    this.#sink = sink;
    this.#plan = planOf(frame, scale);
    this.#planes = frame.components.map((component, c) => this.#planeOf(component, this.#plan.components[c]));
    this.#channels = frame.colours === 'grey' ? 1 : 3;
    this.#pixels = memory.allocate(this.#plan.rows * this.#plan.width * this.#channels + SPARE);
  }

  /** Size of the picture that comes out. */
  get size(): { width: number; height: number } {
    return { width: this.#plan.width, height: this.#plan.height };
  }

  iMcuRow(coefficients: readonly number[], lastNonZero: readonly number[]): void {
    for (const [c, plane] of this.#planes.entries()) {
      if (this.#came > 0) this.#keepLastRows(plane);
      this.#transform(plane, coefficients[c], lastNonZero[c]);
    }
    this.#came++;
    const ready = this.#came * this.#plan.rows - (this.#plan.context ? this.#frame.vMax : 0);
    this.#emit(Math.min(ready, this.#plan.height));
  }

  finish(): void {
    this.#emit(this.#plan.height);
  }

  #planeOf(component: FrameComponent, plan: ComponentPlan): Plane {
    const kept = this.#plan.context ? plan.group + 1 : 0;
    const stride = roundUp(Math.max(component.blocksWide * plan.size, plan.width), BYTES) + BYTES;
    const width = roundUp(plan.width, BYTES);
    return {
      component,
      plan,
      rows: this.#memory.allocate((kept + plan.rows) * stride),
      stride,
      kept,
      enlarged: this.#memory.allocate(width * plan.across),
      sums: this.#memory.allocate(2 * width + 2 * BYTES) + BYTES,
    };
  }

  /** The last rows of the row of MCUs before go to the top. */
  #keepLastRows({ rows, stride, kept, plan }: Plane): void {
    if (kept === 0) return;
    const from = rows + plan.rows * stride;
    this.#memory.bytes.copyWithin(rows, from, from + kept * stride);
  }

  #transform({ component, plan, rows, stride, kept }: Plane, coefficients: number, lastNonZero: number): void {
    const { v, blocksWide, blocksHigh, quant } = component;
    const idct = this.#exports[`idct${plan.size}`];
    const blocks = Math.ceil(plan.width / plan.size);
    const needed = Math.min(v, blocksHigh - this.#came * v);
    for (let row = 0; row < needed; row++) {
      const first = row * blocksWide;
      const out = rows + (kept + row * plan.size) * stride;
      idct(coefficients + first * BLOCK, lastNonZero + first, quant, blocks, out, stride);
    }
  }

  /** Makes rows of pixels up to `end` and hands them on. */
  #emit(end: number): void {
    const first = this.#went;
    if (end <= first) return;
    const rowBytes = this.#plan.width * this.#channels;
    for (let y = first; y < end; y++) {
      const planes = this.#planes.map((plane) => this.#enlarge(plane, y));
      this.#color(planes, this.#pixels + (y - first) * rowBytes);
    }
    this.#went = end;
    const { bytes } = this.#memory;
    this.#sink.rows(bytes.subarray(this.#pixels, this.#pixels + (end - first) * rowBytes), first, end - first);
  }

  /** Address of a component's row y at the width of the picture. */
  #enlarge(plane: Plane, y: number): number {
    const { plan, enlarged, sums } = plane;
    const { weigh, widen, spread, blend, [`repeat${plan.across}`]: repeat } = this.#exports;
    const row = Math.floor(y / plan.down);
    const near = this.#address(plane, row);
    if (!plan.smooth) {
      if (plan.across === 1) return near;
      repeat(near, enlarged, plan.width);
      return enlarged;
    }
    const upper = y % 2 === 0;
    const far = () => this.#address(plane, upper ? row - 1 : row + 1);
    if (plan.across === 1) blend(near, far(), enlarged, plan.width, upper ? 1 : 2);
    else if (plan.down === 1) {
      widen(near, sums, plan.width);
      spread(sums, enlarged, plan.width, 1, 2, 2);
    } else {
      weigh(near, far(), sums, plan.width);
      spread(sums, enlarged, plan.width, 8, 7, 4);
    }
    return enlarged;
  }

  /** Address of a component's row of samples. The first and the last row of the picture stand for those beyond. */
  #address({ plan, rows, stride, kept }: Plane, row: number): number {
    const inside = Math.min(Math.max(row, 0), plan.height - 1);
    return rows + (kept + inside - (this.#came - 1) * plan.rows) * stride;
  }

  #color(planes: readonly number[], out: number): void {
    const { yccToRgb, interleave3, inks } = this.#exports;
    const { width } = this.#plan;
    const [a, b, c, black] = planes;
    switch (this.#frame.colours) {
      case 'grey':
        this.#memory.bytes.copyWithin(out, a, a + width);
        break;
      case 'ycc':
        yccToRgb(a, b, c, out, width);
        break;
      case 'rgb':
        interleave3(a, b, c, out, width);
        break;
      case 'ycck':
        yccToRgb(a, b, c, out, width);
        inks(out, black, width, 0);
        break;
      case 'cmyk':
        interleave3(a, b, c, out, width);
        inks(out, black, width, 255);
    }
  }
}

const roundUp = (x: number, to: number): number => Math.ceil(x / to) * to;
