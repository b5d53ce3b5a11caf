/** Looks for NaN and infinity. Every picture and every weight passes here, so it is quick about those that have none. */

/** Index of the first element that is not a finite number, -1 when there is none. */
export function firstNonFinite(data: Float32Array): number {
  // 0 · x is 0 for finite numbers and NaN for all others. Four sums, because each addition waits for the last.
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = data.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    a += 0 * data[i];
    b += 0 * data[i + 1];
    c += 0 * data[i + 2];
    d += 0 * data[i + 3];
  }
  for (let i = whole; i < data.length; i++) a += 0 * data[i];
  return a + b + c + d === 0 ? -1 : data.findIndex((value) => !Number.isFinite(value));
}
