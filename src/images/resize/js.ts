/** Both passes in JavaScript, for places that refuse WebAssembly. */
import type { Passes, PassesSpec } from './passes.js';
import { FRACTION_BITS, HALF, type Taps } from './taps.js';

export function jsPasses({ horizontal, vertical, left, pixelBytes, channels, bytes }: PassesSpec): Passes {
  const memory = new Uint8ClampedArray(bytes);
  let sums = new Int32Array(0);
  return {
    memory,
    alongRows(from, stride, rows, to, outStride) {
      for (let row = 0; row < rows; row++) {
        const at = from + row * stride - left * pixelBytes;
        if (pixelBytes === 3) rowOfRgb(memory, at, to + row * outStride, horizontal);
        else rowOfAny(memory, at, to + row * outStride, horizontal, pixelBytes, channels);
      }
    },
    downColumns(index, from, stride, length, to) {
      if (sums.length !== length) sums = new Int32Array(length);
      sums.fill(HALF);
      const first = index * vertical.stride;
      for (let k = 0; k < vertical.length[index]!; k++)
        addRow(sums, memory, from + k * stride, vertical.weights[first + k]!);
      // Storing into a clamped array limits to 0..255.
      for (let j = 0; j < length; j++) memory[to + j] = sums[j]! >> FRACTION_BITS;
    },
    release() {},
  };
}

/** One row of [W,3]: three sums at once, because this loop is where the time goes. */
function rowOfRgb(x: Uint8ClampedArray, from: number, to: number, taps: Taps): void {
  const { start, length, weights, stride } = taps;
  for (let i = 0; i < start.length; i++) {
    let red = HALF;
    let green = HALF;
    let blue = HALF;
    let at = from + start[i]! * 3;
    const first = i * stride;
    const end = first + length[i]!;
    for (let k = first; k < end; k++) {
      const weight = weights[k]!;
      red = (red + Math.imul(x[at]!, weight)) | 0;
      green = (green + Math.imul(x[at + 1]!, weight)) | 0;
      blue = (blue + Math.imul(x[at + 2]!, weight)) | 0;
      at += 3;
    }
    x[to] = red >> FRACTION_BITS;
    x[to + 1] = green >> FRACTION_BITS;
    x[to + 2] = blue >> FRACTION_BITS;
    to += 3;
  }
}

/** One row of pixels of any size. */
function rowOfAny(
  x: Uint8ClampedArray,
  from: number,
  to: number,
  taps: Taps,
  pixelBytes: number,
  channels: number,
): void {
  const { start, length, weights, stride } = taps;
  for (let i = 0; i < start.length; i++) {
    const first = i * stride;
    const end = first + length[i]!;
    for (let c = 0; c < channels; c++) {
      let sum = HALF;
      let at = from + start[i]! * pixelBytes + c;
      for (let k = first; k < end; k++) {
        sum = (sum + Math.imul(x[at]!, weights[k]!)) | 0;
        at += pixelBytes;
      }
      x[to++] = sum >> FRACTION_BITS;
    }
  }
}

function addRow(sums: Int32Array, x: Uint8ClampedArray, from: number, weight: number): void {
  for (let j = 0; j < sums.length; j++) sums[j] = sums[j]! + Math.imul(x[from + j]!, weight);
}
