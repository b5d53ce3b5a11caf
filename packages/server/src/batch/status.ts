/** How far a run is, from what lies in its results alone. */
import { UsageError } from './errors.js';
import { missingShards, type Plan, picturesIn, readPlan, shardStem } from './plan.js';
import { grouped, plural } from './progress.js';
import { openStore, type Store } from './stores/store.js';

export interface Status {
  out: string;
  task: string;
  format: string;
  pictures: number;
  pictures_done: number;
  pictures_failed: number;
  shards: number;
  shards_done: number;
  /** Names of shards that some process works on, or worked on when it was killed. */
  running: string[];
}

/** @throws UsageError where no run is */
export async function statusOf(out: string): Promise<Status> {
  const store = openStore(out);
  const plan = await readPlan(store);
  if (plan === null) throw new UsageError(`${store.where}: has no plan.json, so no run has begun there`);
  const missing = await missingShards(store, plan);
  const running = await store.list('running/shard-');
  return {
    out: store.where,
    task: plan.task,
    format: plan.format,
    pictures: plan.pictures.length,
    pictures_done: plan.pictures.length - picturesIn(plan, missing),
    pictures_failed: await failures(store, plan, null),
    shards: plan.shards,
    shards_done: plan.shards - missing.length,
    running: running.map((name) => name.replace(/^running\/|\.json$/g, '')).sort(),
  };
}

export function describeStatus(status: Status): string {
  const { out, task, format, pictures, pictures_done, pictures_failed, shards, shards_done, running } = status;
  const lines = [
    `${out}: ${task}, ${format}`,
    `  ${grouped(pictures_done)} of ${plural(pictures, 'picture')} done, ${grouped(pictures_failed)} of them failed`,
    `  ${grouped(shards_done)} of ${plural(shards, 'shard')} done, ${grouped(running.length)} under way`,
    ...running.map((name) => `    ${name}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** How many pictures of finished shards failed. @param shards those that are asked for; null for all */
export async function failures(store: Store, plan: Plan, shards: readonly number[] | null): Promise<number> {
  const wanted =
    shards === null ? null : new Set(shards.map((shard) => `failed/${shardStem(plan.shards, shard)}.ndjson`));
  let count = 0;
  for (const name of await store.list('failed/shard-')) {
    if (wanted !== null && !wanted.has(name)) continue;
    const bytes = await store.read(name);
    if (bytes !== null) count += bytes.reduce((lines, byte) => lines + Number(byte === 10), 0);
  }
  return count;
}
