/** What children and pages do in a round: one file, again and again. */

/**
 * Runs for `budget` ms, and at least once. The first run finds caches that another engine filled and is not counted,
 * unless it alone takes as long.
 * @param cpu gives the ms that the process has used of all processors; null where nothing tells
 * @returns `{ wall, cpu, answer }`: ms of each run, and what the last gave
 */
export async function turn(run, bytes, { budget, cpu = () => null }) {
  const times = { wall: [], cpu: [] };
  let answer;
  const begin = performance.now();
  for (let runs = 0; runs < 1 || performance.now() - begin < budget; runs++) {
    const [start, used] = [performance.now(), cpu()];
    answer = await run(bytes);
    const wall = performance.now() - start;
    if (runs === 0 && wall < budget) continue;
    times.wall.push(wall);
    if (used !== null) times.cpu.push(cpu() - used);
  }
  return { ...times, answer };
}

/** A label stays; of pixels only what tells two pictures apart comes back. */
export function summary({ label, score, width, height, channels, data }) {
  if (label !== undefined) return { label, score };
  const means = [0, 1, 2].map((c) => {
    let sum = 0;
    for (let i = Math.min(c, channels - 1); i < data.length; i += channels) sum += data[i];
    return sum / (width * height);
  });
  return { width, height, means };
}
