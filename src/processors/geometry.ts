/**
 * Where pixels go: the size a picture is resized to and the part of it that the crop keeps. Sources: transformers'
 * image_transforms.py (`get_resize_output_image_size`, `get_size_with_aspect_ratio`, `center_crop`) and image_utils.py.
 */

import { env } from '../base/env.js';
import { MobileNetError } from '../base/errors.js';
import { roundHalfEven } from '../base/round.js';
import type { Window } from '../images/resize/rows.js';
import type { Size } from './option-values.js';
import type { ResolvedOptions } from './options.js';

/** How one picture is placed; all in pixels. */
export interface Geometry {
  /** Size after resizing; the original's where `do_resize` is off. */
  resized: { height: number; width: number };
  /** Size of the result. */
  output: { height: number; width: number };
  /** The part of the resized picture that is kept. */
  window: Window;
  /** Where that part lies in the result; around it are zeros. */
  at: { top: number; left: number };
}

/** The geometry of a picture of `height`×`width`. Throws ARG for a size that rounds to 0, LIMIT for one too large. */
export function planGeometry(options: ResolvedOptions, height: number, width: number): Geometry {
  const resized = options.do_resize ? resizedSize(options.size, height, width) : { height, width };
  if (resized.height < 1 || resized.width < 1) {
    throw new MobileNetError(
      'ARG',
      `size: a picture of ${height}×${width} (height×width) would become ${resized.height}×${resized.width}`,
    );
  }
  const output = options.do_center_crop ? options.crop_size : resized;
  if (output.height * output.width > env.limits.imagePixels) {
    throw new MobileNetError(
      'LIMIT',
      `a picture of ${height}×${width} would become ${output.height}×${output.width} (height×width), which exceeds env.limits.imagePixels (${env.limits.imagePixels})`,
    );
  }
  const vertical = centerCrop(resized.height, output.height);
  const horizontal = centerCrop(resized.width, output.width);
  return {
    resized,
    output,
    window: { top: vertical.from, left: horizontal.from, height: vertical.length, width: horizontal.length },
    at: { top: vertical.to, left: horizontal.to },
  };
}

/**
 * Along one axis: which `length` pixels `from` on are kept, and where they go `to`. An odd difference leaves one pixel
 * more after the crop than before it, and one zero more before the picture than after it.
 */
function centerCrop(size: number, crop: number): { from: number; to: number; length: number } {
  const from = Math.floor((size - crop) / 2);
  return { from: Math.max(0, from), to: Math.max(0, -from), length: Math.min(size, crop) };
}

function resizedSize(size: Size, height: number, width: number): { height: number; width: number } {
  if ('height' in size) return size;
  if ('max_height' in size) {
    const scale = Math.min(size.max_height / height, size.max_width / width);
    return { height: Math.trunc(height * scale), width: Math.trunc(width * scale) };
  }
  const short = Math.min(height, width);
  const long = Math.max(height, width);
  let edge = size.shortest_edge;
  let exactEdge = edge;
  if ('longest_edge' in size && (long / short) * edge > size.longest_edge) {
    // The shortest edge gives way so that the longest keeps its limit.
    exactEdge = (size.longest_edge * short) / long;
    edge = roundHalfEven(exactEdge);
    if (edge === short) return { height, width };
  }
  // In this order: the product of whole numbers is exact, so only the quotient rounds, as in Python.
  const other = Math.trunc((exactEdge * long) / short);
  return width <= height ? { height: other, width: edge } : { height: edge, width: other };
}
