/** A run without a queue: every process knows its shards by their numbers. */
import { UsageError } from './errors.js';
import { openPictures } from './pictures.js';
import { makePlan, missingShards, type Plan, type PlanOptions, picturesIn, settlePlan } from './plan.js';
import { grouped, Progress, plural } from './progress.js';
import { type Run, runShard } from './shard.js';
import { failures } from './status.js';
import type { Stop } from './stop.js';
import { openStore, type Store } from './stores/store.js';
import { Workplace, type WorkplaceOptions } from './workplace.js';

/** One of several processes: those shards whose number leaves `index` when divided by `count`. */
export interface Share {
  index: number;
  count: number;
}

export interface RunOptions extends PlanOptions, WorkplaceOptions {
  out: string;
  share?: Share;
  quiet?: boolean;
}

/** Shards at a time: while the last pictures of one are computed, the next one has begun. */
export const SHARDS_AT_A_TIME = 2;

export interface Talk {
  stop: Stop;
  /** A remark for people. */
  say(text: string): void;
}

export interface Planned {
  store: Store;
  plan: Plan;
  missing: number[];
}

/** Lists the pictures and settles what the run is. @throws UsageError */
export async function planRun(options: RunOptions, { say }: Pick<Talk, 'say'>): Promise<Planned> {
  const store = openStore(options.out);
  const pictures = await openPictures(options.input);
  const names = await pictures.list(store.where);
  if (names.length === 0) throw new UsageError(`${options.input}: has no pictures (.png, .jpg, .jpeg)`);
  const plan = makePlan({ ...options, input: pictures.input }, names);
  await settlePlan(store, plan);
  const missing = await missingShards(store, plan);
  const done = plan.shards - missing.length;
  const there = done === 0 ? '' : `, ${grouped(done)} of them done already`;
  say(`${plural(names.length, 'picture')} in ${plural(plan.shards, 'shard')}${there}`);
  return { store, plan, missing };
}

/** @returns the exit code: 1 where a picture of the run failed */
export async function run(options: RunOptions, talk: Talk): Promise<number> {
  const { store, plan, missing } = await planRun(options, talk);
  const { index, count } = options.share ?? { index: 0, count: 1 };
  const isMine = (shard: number): boolean => shard % count === index;
  const mine = missing.filter(isMine);
  const all = Array.from({ length: plan.shards }, (_, shard) => shard).filter(isMine);
  const total = picturesIn(plan, all);
  const before = total - picturesIn(plan, mine);
  if (mine.length > 0 && !talk.stop.requested) {
    const workplace = new Workplace(options);
    const own = await workplace.open(plan, store);
    const progress = new Progress(total, before, options);
    try {
      await runShards({ ...own, onPicture: () => progress.add(1) }, mine, talk.stop);
    } finally {
      progress.end();
      await workplace.close();
    }
  }
  if (talk.stop.requested) return talk.stop.exitCode;
  return conclude(store, plan, count > 1 ? all : null, talk);
}

/** Until the last is done, or the wish to end comes. */
async function runShards(run: Run, shards: readonly number[], stop: Stop): Promise<void> {
  const under = new Set<Promise<void>>();
  let failed: { error: unknown } | null = null;
  for (const shard of shards) {
    await run.lane.room();
    if (under.size >= SHARDS_AT_A_TIME) await Promise.race(under);
    if (stop.requested || failed !== null) break;
    const work = runShard(run, shard)
      .catch((error) => {
        failed ??= { error };
      })
      .finally(() => under.delete(work));
    under.add(work);
  }
  await Promise.all(under);
  if (failed !== null) throw (failed as { error: unknown }).error;
}

/** The closing line. @param shards those that it is about; null for all @returns the exit code */
export async function conclude(
  store: Store,
  plan: Plan,
  shards: readonly number[] | null,
  { say }: Pick<Talk, 'say'>,
): Promise<number> {
  const failed = await failures(store, plan, shards);
  const total = shards === null ? plan.pictures.length : picturesIn(plan, shards);
  if (failed === 0) say(`${plural(total, 'picture')} done: ${store.where}`);
  else
    say(
      `${grouped(failed)} of ${plural(total, 'picture')} failed, see ${store.nameOf('failed')}; the others: ${store.where}`,
    );
  return failed === 0 ? 0 : 1;
}
