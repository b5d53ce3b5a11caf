/** What children and pages do in a round. */
import { channelsLast } from './layout.mjs';

/** Opens an engine's module on a network. @returns `{ run, output, info }`, the output in NCHW order */
export async function openEngine({ open }, options) {
  const { run, layout, info } = await open(options);
  const output = await run();
  return { run, info, output: layout === 'nhwc' ? channelsLast(output, output.length / options.channels) : output };
}

/**
 * Runs for `budget` ms, and at least once. The first run finds caches that another engine filled and is not counted,
 * unless it is the only one.
 * @param atLeast ms that a sample takes, for clocks that are coarse: runs are repeated that long and averaged
 * @returns ms of a run, a list of samples
 */
export async function turn(run, { budget, atLeast = 0 }) {
  const begin = performance.now();
  await run();
  const first = performance.now() - begin;
  if (first > budget) return [first];
  const times = [];
  while (times.length === 0 || performance.now() - begin < budget) {
    const start = performance.now();
    let runs = 0;
    let elapsed = 0;
    do {
      await run();
      runs++;
      elapsed = performance.now() - start;
    } while (elapsed < atLeast);
    times.push(elapsed / runs);
  }
  return times;
}
