/**
 * Rounds: every engine, thread count by thread count, sits in a place of its own (a process, or a frame of a page), and
 * in every round each has its turn while the others wait. What slows the machine down slows all of them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../support.mjs';

/** ms between turns, so that an engine's threads stop spinning before the next begins. */
const PAUSE = 50;
/** ms before the first round: compilers have tiers, and this reaches the last. */
const WARMUP = 1500;
/** Engines slower than this many ms have three rounds only. */
const SLOW = 1000;

/**
 * Compilers decide while they run, and one process in a few ends with slower code than the others: each engine has
 * `launches` places one after another, and the rounds are shared among them.
 * @param network what `writeFiles` gave
 * @param options.enter makes `{ start(engine), leave() }`; a started engine has `ask('open' | 'turn', options)` and `close()`
 * @returns `{ engine, min, median, samples, difference, info, idleBurn }` of each, or `{ engine, error }`
 */
export async function benchRounds(network, engines, { launches, rounds, ...options }) {
  const rows = new Map(engines.map((engine) => [engine, { engine, times: [], idle: [] }]));
  for (let launch = 0; launch < launches; launch++) {
    const working = engines.filter((engine) => rows.get(engine).error === undefined);
    await benchLaunch(network, working, rows, { ...options, rounds: Math.ceil(rounds / launches), launch });
  }
  return [...rows.values()].map(({ times, idle, ...row }) => {
    if (row.error !== undefined) return { engine: row.engine, error: row.error };
    return { ...row, min: Math.min(...times), median: median(times), samples: times.length, idleBurn: median(idle) };
  });
}

async function benchLaunch(network, engines, rows, { enter, rounds, budget, launch, report }) {
  const { name, dims, channels, judge } = network;
  const place = await enter(network);
  const children = [];
  try {
    for (const engine of engines) {
      report(`${name}: starting ${engine.title}, ${engine.threads}`);
      let child;
      try {
        child = await place.start(engine);
        const { output, info } = await child.ask('open', { ...engine, dims, channels });
        const { difference, agrees } = engine.id === 'peak' ? { agrees: true } : judge(engine, output);
        if (!agrees) throw new Error(`outputs differ by ${difference}`);
        await child.ask('turn', { budget: WARMUP });
        Object.assign(rows.get(engine), { info, difference });
        children.push({ engine, child });
      } catch (error) {
        await child?.close();
        rows.get(engine).error = error.message;
      }
    }
    for (let round = 0; round < rounds; round++) {
      report(`${name}: launch ${launch + 1}, round ${round + 1} of ${rounds}`);
      for (const { engine, child } of children) {
        const row = rows.get(engine);
        if (row.times[0] > SLOW && row.times.length > 2) continue;
        const { times, idleBurn } = await child.ask('turn', { budget });
        row.times.push(...times);
        if (round > 0) row.idle.push(idleBurn); // before the first round others were starting
        await sleep(PAUSE);
      }
    }
  } finally {
    for (const { child } of children) await child.close();
    await place.leave();
  }
}
