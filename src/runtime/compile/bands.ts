/**
 * The memory argument of the paper (section 5.1): the wide tensors in the middle of an inverted residual never have
 * to exist. Its three convolutions are done for a band of output rows at a time: of the expanded tensor there is a ring of
 * the rows that the band's windows see, of the filtered one the band itself. Bands follow each other downwards, so a
 * row is expanded once. The same goes for the first three convolutions of the network, whose wide tensor comes from
 * the picture.
 *
 * A band is a spec like any other, with fewer rows and an offset in its padding. Only the depthwise kernels have to know
 * more: they read their rows from the ring (`rowsHeld` in layers/spec.ts).
 */
import {
  type AnySpec,
  type DepthwiseSpec,
  ELEMENT_BYTES,
  hasResidual,
  type InvertedResidualSpec,
} from '../../layers/spec.js';
import type { Lowered, LoweredStep, StepValues } from './lower.js';

/** A step of a plan: one that was lowered, or three of them done together. */
export type PlannedStep =
  | { kind: 'single'; name: string; spec: AnySpec; step: LoweredStep }
  | {
      kind: 'block';
      name: string;
      spec: InvertedResidualSpec;
      widen: LoweredStep;
      filter: LoweredStep;
      project: LoweredStep;
    };

/** A band's rows in the ring and after the filter should stay in a second-level cache, with the weights. */
const BAND_BYTES = 256 * 1024;

/**
 * Puts together what can be and pays: three steps in a row whose intermediate values nobody else reads.
 * @param kept values that are outputs of the network
 */
export function formBlocks(
  { steps }: Lowered,
  kept: ReadonlySet<string>,
  pays: (spec: InvertedResidualSpec) => boolean,
): PlannedStep[] {
  const readers = new Map<string, number>();
  for (const { values } of steps) {
    for (const name of valuesRead(values)) readers.set(name, (readers.get(name) ?? 0) + 1);
  }
  const passes = (from: LoweredStep, to: LoweredStep) =>
    to.values.x === from.values.y && readers.get(from.values.y) === 1 && !kept.has(from.values.y);

  const result: PlannedStep[] = [];
  for (let index = 0; index < steps.length; index++) {
    const [widen, filter, project] = steps.slice(index, index + 3);
    const block = project !== undefined && passes(widen, filter) && passes(filter, project);
    const spec = block ? blockSpec(widen.spec, filter.spec, project.spec) : null;
    if (spec === null || !pays(spec)) {
      result.push({ kind: 'single', name: widen.name, spec: widen.spec, step: widen });
    } else {
      result.push({ kind: 'block', name: `${widen.name} … ${project.name}`, spec, widen, filter, project });
      index += 2;
    }
  }
  return result;
}

/** The values that a step reads, by their names. */
export const valuesRead = ({ y: _, ...read }: StepValues): string[] => Object.values(read);

/** Null when these are not an inverted residual, or one so small that it is a single band. */
function blockSpec(widen: AnySpec, filter: AnySpec, project: AnySpec): InvertedResidualSpec | null {
  const plain = (spec: AnySpec) => spec.op === 'pointwise' && !spec.biasPerImage;
  const widens = widen.op === 'conv3x3' || (widen.op === 'pointwise' && plain(widen) && !hasResidual(widen));
  if (!widens || filter.op !== 'depthwise3x3' || project.op !== 'pointwise' || !plain(project)) return null;
  const bytes = ELEMENT_BYTES[filter.dtype];
  const rowBytes = bytes * filter.channels * (filter.inWidth * filter.stride + filter.outWidth);
  const fixed = bytes * filter.channels * filter.inWidth * (2 * filter.dilation + 1 - filter.stride);
  const bandRows = Math.max(1, Math.floor((BAND_BYTES - fixed) / rowBytes));
  if (rowsInRing(filter, bandRows) >= filter.inHeight) return null;
  return { op: 'inverted_residual', widen, filter, project, bandRows };
}

/** Input rows that the windows of a band of output rows see. */
function rowsInRing({ stride, dilation }: Pick<DepthwiseSpec, 'stride' | 'dilation'>, bandRows: number): number {
  return (bandRows - 1) * stride + 2 * dilation + 1;
}

/** Elements of the ring and of the filtered band. */
export function scratchSizes({ filter, bandRows }: InvertedResidualSpec): { ring: number; band: number } {
  return {
    ring: rowsInRing(filter, bandRows) * filter.inWidth * filter.channels,
    band: bandRows * filter.outWidth * filter.channels,
  };
}

/** A piece of a block's work: one kernel on some rows. Offsets are elements of what the piece reads and writes. */
export interface Piece {
  of: 'widen' | 'filter' | 'project';
  spec: AnySpec;
  x: number;
  y: number;
}

/** All pieces, in the order they must be done in. */
export function pieces({ widen, filter, project, bandRows }: InvertedResidualSpec): Piece[] {
  const result: Piece[] = [];
  const held = rowsInRing(filter, bandRows);
  const { batch, inHeight, inWidth, channels, outHeight, outWidth, stride, dilation, padTop } = filter;
  for (let n = 0; n < batch; n++) {
    let widened = 0;
    for (let from = 0; from < outHeight; from += bandRows) {
      const rows = Math.min(bandRows, outHeight - from);
      const seen = Math.min((from + rows - 1) * stride - padTop + 2 * dilation + 1, inHeight);
      while (widened < seen) {
        // Up to the end of the ring, and on from its beginning.
        const count = Math.min(seen - widened, held - (widened % held));
        result.push({
          of: 'widen',
          ...widenRows(widen, inWidth, n, widened, count),
          y: (widened % held) * inWidth * channels,
        });
        widened += count;
      }
      const spec = { ...filter, batch: 1, padTop: padTop - from * stride, outHeight: rows, rowsHeld: held };
      result.push({ of: 'filter', spec, x: 0, y: 0 });
      const pixels = rows * outWidth;
      const y = (n * outHeight + from) * outWidth * project.outChannels;
      result.push({ of: 'project', spec: { ...project, batch: 1, pixels }, x: 0, y });
    }
  }
  return result;
}

/** Rows of the wide tensor: the spec that makes them, and where it reads. */
function widenRows(widen: InvertedResidualSpec['widen'], width: number, n: number, from: number, count: number) {
  if (widen.op === 'pointwise') {
    const x = (n * widen.pixels + from * width) * widen.inChannels;
    return { spec: { ...widen, batch: 1, pixels: count * width }, x };
  }
  const { inChannels, inHeight, inWidth, padTop, stride } = widen;
  const spec = { ...widen, batch: 1, padTop: padTop - from * stride, outHeight: count };
  return { spec, x: n * inChannels * inHeight * inWidth };
}
