/** Looks for NaN and infinity. Every picture and every weight passes here, so it is quick about those that have none. */

/** Index of the first element that is not a finite number, -1 when there is none. */
export function firstNonFinite(data: Float32Array): number {
  // The bits of the exponent are all set in NaN and infinity alone; one more overflows into the sign. As whole numbers,
  // because floats are objects to code that is not compiled yet: 14 MB take a new process 9 ms, by 0 · x they took 12.
  const bits = new Int32Array(data.buffer, data.byteOffset, data.length);
  let overflow = 0;
  const whole = bits.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    overflow |=
      ((bits[i] & EXPONENT) + LOWEST) |
      ((bits[i + 1] & EXPONENT) + LOWEST) |
      ((bits[i + 2] & EXPONENT) + LOWEST) |
      ((bits[i + 3] & EXPONENT) + LOWEST);
  }
  for (let i = whole; i < bits.length; i++) overflow |= (bits[i] & EXPONENT) + LOWEST;
  return overflow >= 0 ? -1 : data.findIndex((value) => !Number.isFinite(value));
}

const EXPONENT = 0x7f800000;
/** The lowest bit of the exponent. */
const LOWEST = 0x00800000;
