/** How a component comes to the size of the picture: the choices of libjpeg (jdmaster.c, jdsample.c), which are Pillow's. */
import type { Frame, FrameComponent, Scale } from '../frame.js';

export interface ComponentPlan {
  /** Samples of a block in each direction. */
  readonly size: 1 | 2 | 4 | 8;
  /** Samples that the picture needs of it, in rows and columns. Others fill up blocks. */
  readonly width: number;
  readonly height: number;
  /** Rows of samples that a row of MCUs brings. */
  readonly rows: number;
  /** Rows of samples in a group: as many as `vMax` rows of pixels are made of. */
  readonly group: number;
  /** How wide and how high a sample becomes. */
  readonly across: number;
  readonly down: number;
  /** Whether by the triangle filter, which for `down` = 2 needs the rows above and below. Else by repetition. */
  readonly smooth: boolean;
}

export interface Plan {
  readonly width: number;
  readonly height: number;
  readonly components: readonly ComponentPlan[];
  /** Rows of pixels that a row of MCUs makes. */
  readonly rows: number;
  /** Whether the last group of a row of MCUs must wait for the next row. */
  readonly context: boolean;
}

export function planOf(frame: Frame, scale: Scale): Plan {
  /** Samples of a block of the component with the most. */
  const size = 8 / scale;
  const components = frame.components.map((component) => componentPlan(frame, component, size));
  return {
    width: Math.ceil(frame.width / scale),
    height: Math.ceil(frame.height / scale),
    components,
    rows: size * frame.vMax,
    context: components.some(({ smooth, down }) => smooth && down === 2),
  };
}

function componentPlan(frame: Frame, { h, v }: FrameComponent, smallest: number): ComponentPlan {
  const { hMax, vMax } = frame;
  // A subsampled component may make up for it by a larger transform, if it does so in both directions.
  let size = smallest;
  while (size < 8 && (hMax * smallest) % (h * size * 2) === 0 && (vMax * smallest) % (v * size * 2) === 0) size *= 2;
  const across = (hMax * smallest) / (h * size);
  const down = (vMax * smallest) / (v * size);
  const width = Math.ceil((frame.width * h * size) / (hMax * 8));
  // libjpeg filters no rows that are too short, and none where a block is one sample.
  const wide = across === 1 ? down === 2 : width > 2;
  return {
    size: size as ComponentPlan['size'],
    width,
    height: Math.ceil((frame.height * v * size) / (vMax * 8)),
    rows: v * size,
    group: (v * size) / smallest,
    across,
    down,
    smooth: smallest > 1 && across <= 2 && down <= 2 && across * down > 1 && wide,
  };
}
