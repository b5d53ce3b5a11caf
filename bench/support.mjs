/** What the benchmarks share. */

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** How a row was computed, in words. */
export const variant = ({ implementation, threads, memory }) =>
  `${implementation}${memory === 'low' ? ', in bands' : ''}${threads > 1 ? `, ${threads} threads` : ''}`;

/** Above so many ms, a run brings its own order to the caches. */
const LONG = 50;
/** Rows slower than so many ms have three rounds only. */
const SLOW = 500;

/**
 * Runs every `run` of `rows` in turn, round after round, so that all of them meet the same machine; at least `budget`
 * ms each a round, after one run that finds strange caches and is not counted, unless it is long. Every row gets
 * `min` and `median` of all runs, and `best`, the fastest of each round, all in ms.
 */
export async function interleave(rows, { rounds, budget, report = () => {} }) {
  const times = rows.map(() => []);
  for (const row of rows) row.best = [];
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run, best }] of rows.entries()) {
      report(`round ${round + 1} of ${rounds}, ${Math.round((100 * i) / rows.length)} %`);
      if (round >= 3 && best[0] > SLOW) continue;
      if (round === 0 || best[0] < LONG) await run();
      const own = [];
      const begin = performance.now();
      do {
        const start = performance.now();
        await run();
        own.push(performance.now() - start);
      } while (performance.now() - begin < budget);
      times[i].push(...own);
      best.push(Math.min(...own));
    }
  }
  for (const [i, row] of rows.entries()) Object.assign(row, { min: Math.min(...times[i]), median: median(times[i]) });
}
