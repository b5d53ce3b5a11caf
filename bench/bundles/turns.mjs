/** One build of the library in a process: the network, once for each device, and turns of it. */
import { makeNetwork } from '../networks.mjs';

/** @param library what the build exports */
export function openTurns(library) {
  const networks = new Map();
  /**
   * Runs for `budget` ms, and at least twice; the first run finds caches that another build filled and is not counted.
   * @returns the fastest, in ms. Where other programs share the cores, the processor time of this process is less than what
   *   a clock shows, and counts: one thread computes.
   */
  return async ({ network, device, budget }) => {
    const key = `${network} ${device}`;
    if (!networks.has(key)) networks.set(key, makeNetwork(library, network, { device, threads: 1 }));
    const { run } = networks.get(key);
    await run();
    const begin = performance.now();
    let fastest = Infinity;
    do {
      const cpu = process.cpuUsage();
      const start = performance.now();
      await run();
      const elapsed = performance.now() - start;
      const { user, system } = process.cpuUsage(cpu);
      fastest = Math.min(fastest, elapsed, (user + system) / 1000);
    } while (performance.now() - begin < budget);
    return fastest;
  };
}
