/**
 * 3×3 convolution over all channels in plain JavaScript: the 9·C taps of a pixel are gathered into a row of the lanes of
 * matrix-product.ts, and the convolution is a 1×1 convolution of those.
 */
import { blockPixels, LANE, PIXEL_LANES } from '../matrix-product.js';
import type { Conv3x3I16Spec, Conv3x3Spec } from '../spec.js';

/** Whether the taps of a pixel fit into a lane. */
export const fitsLanes = ({ inChannels }: Pick<Conv3x3Spec, 'inChannels'>): boolean => inChannels * 9 <= LANE;

/**
 * @param gather writes the taps of the window of picture `n` that begins at `top`, `left` to lane[at …]; outside the picture 0
 * @param multiply computes `count` output pixels from `first` on, whose taps lie in the lanes
 */
export function forEachBlock(
  { batch, inChannels, outHeight: OH, outWidth: OW, stride, padTop, padLeft }: Conv3x3Spec | Conv3x3I16Spec,
  gather: (lane: Float64Array, at: number, n: number, top: number, left: number) => void,
  multiply: (first: number, count: number, taps: number) => void,
): void {
  const taps = 9 * inChannels;
  const pixels = batch * OH * OW;
  const most = blockPixels(taps);
  for (let first = 0; first < pixels; first += most) {
    const count = Math.min(most, pixels - first);
    const third = Math.ceil(count / 3);
    for (let p = 0; p < count; p++) {
      const ow = (first + p) % OW;
      const row = Math.floor((first + p) / OW);
      const n = Math.floor(row / OH);
      const lane = PIXEL_LANES[Math.floor(p / third)];
      gather(lane, (p % third) * taps, n, (row % OH) * stride - padTop, ow * stride - padLeft);
    }
    multiply(first, count, taps);
  }
}
