/** How far two pictures are apart, of 255. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): { max: number; mean: number } {
  let max = 0;
  let sum = 0;
  for (let i = 0; i < b.length; i++) {
    const off = Math.abs(a[i] - b[i]);
    max = Math.max(max, off);
    sum += off;
  }
  return { max, mean: sum / b.length };
}
