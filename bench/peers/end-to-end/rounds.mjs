/** Every engine sits in a place of its own; round after round, each has a turn with every picture while the others wait. */
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../../support.mjs';

/** ms between turns. */
const PAUSE = 30;
/** Rounds that are not counted: compilers have tiers, and this reaches the last. */
const WARMUP_ROUNDS = 2;

const isPng = (picture) => picture.endsWith('.png');
const takes = ({ jpegOnly, pngOnly }, picture) => !(isPng(picture) ? jpegOnly : pngOnly);

/**
 * @param pictures `[name, path]` of each
 * @returns a row of each engine and picture: `{ engine, picture, wall: { min, median }, cpu, answer, samples }`, or with `error`
 */
export async function benchRounds(place, engines, pictures, { rounds, budget, report }) {
  const rows = [];
  const children = [];
  try {
    for (const engine of engines) {
      report(`starting ${engine.title}`);
      const own = pictures.filter(([picture]) => takes(engine, picture));
      const mine = own.map(([picture, path]) => ({ engine, picture, path, wallTimes: [], cpuTimes: [] }));
      rows.push(...mine);
      let child;
      try {
        child = await place.start(engine);
        await child.ask('open', engine);
        children.push({ child, mine });
      } catch (error) {
        await child?.close();
        for (const row of mine) row.error = error.message;
      }
    }
    for (let round = -WARMUP_ROUNDS; round < rounds; round++) {
      for (const [picture] of pictures) {
        report(`${picture}: round ${round + 1} of ${rounds}`);
        for (const { child, mine } of children) await oneTurn(child, mine, picture, { budget, counted: round >= 0 });
      }
    }
  } finally {
    for (const { child } of children) await child.close();
    await place.leave();
  }
  return rows.map(({ wallTimes, cpuTimes, path: _path, ...row }) =>
    row.error === undefined
      ? { ...row, wall: figures(wallTimes), cpu: figures(cpuTimes), samples: wallTimes.length }
      : row,
  );
}

async function oneTurn(child, mine, picture, { budget, counted }) {
  const row = mine.find((one) => one.picture === picture);
  if (row === undefined || row.error !== undefined) return;
  try {
    const { wall, cpu, answer } = await child.ask('turn', { picture, path: row.path, budget });
    row.answer = answer;
    if (!counted) return;
    row.wallTimes.push(...wall);
    row.cpuTimes.push(...cpu);
  } catch (error) {
    row.error = error.message;
  }
  await sleep(PAUSE);
}

const figures = (times) => (times.length === 0 ? undefined : { min: Math.min(...times), median: median(times) });
