/** What the benchmarks share. */

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Runs every `run` of `rows` in turn, round after round, so that all of them meet the same machine; at least `budget`
 * ms each a round, after one run that finds strange caches and is not counted. Every row gets `min` and `median`, ms.
 */
export async function interleave(rows, { rounds, budget }) {
  const times = rows.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run }] of rows.entries()) {
      await run();
      const begin = performance.now();
      do {
        const start = performance.now();
        await run();
        times[i].push(performance.now() - start);
      } while (performance.now() - begin < budget);
    }
  }
  for (const [i, row] of rows.entries()) Object.assign(row, { min: Math.min(...times[i]), median: median(times[i]) });
}
