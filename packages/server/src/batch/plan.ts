/**
 * What a run is: its pictures in their order, cut into shards, and the options that decide what results look like. It is written
 * down first. Who goes on with it later, or works on it elsewhere, has to have the same.
 */
import { createHash } from 'node:crypto';
import type { Task } from '../workers/jobs.js';
import { messageOf, UsageError } from './errors.js';
import type { Store } from './stores/store.js';

export const FORMATS = ['ndjson', 'csv', 'parquet'] as const;
export type Format = (typeof FORMATS)[number];

/** What decides what results look like. Named as in plan.json. */
export interface PlanOptions {
  /** Where the pictures are: a folder, a file with a list, `s3://bucket/prefix`. */
  input: string;
  task: Task;
  /** A folder or a name on the hub; null for the checkpoint that ships. */
  model: string | null;
  format: Format;
  /** Labels a picture. */
  top_k: number;
  /** Leave out labels with a lower score; of a segmentation, pixels. */
  threshold: number | null;
  /** Pictures of a shard. */
  shard_size: number;
}

export interface Plan extends PlanOptions {
  version: 1;
  /** Of all that follows. */
  hash: string;
  /** How many shards there are. */
  shards: number;
  /** By the names that results have. */
  pictures: readonly string[];
}

const FILE = 'plan.json';
const VERSION = 1;

/** The flag of each option, for messages. */
const FLAGS: Record<keyof PlanOptions, string> = {
  input: 'the pictures',
  task: '--task',
  model: '--model',
  format: '--format',
  top_k: '--top-k',
  threshold: '--threshold',
  shard_size: '--shard-size',
};

export function makePlan(options: PlanOptions, pictures: readonly string[]): Plan {
  const { input, task, model, format, top_k, threshold, shard_size } = options;
  const shards = Math.ceil(pictures.length / shard_size);
  const content = { input, task, model, format, top_k, threshold, shard_size, shards, pictures };
  const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16);
  return { version: VERSION, hash, ...content };
}

/** `shard-000012-of-000400.ndjson`: the first is 0, and names sort in the order of the pictures. */
export const shardName = ({ shards, format }: Plan, shard: number): string => `${shardStem(shards, shard)}.${format}`;

/** The name without its ending. */
export const shardStem = (shards: number, shard: number): string => `shard-${six(shard)}-of-${six(shards)}`;

const six = (number: number): string => String(number).padStart(6, '0');

export const picturesOf = ({ pictures, shard_size }: Plan, shard: number): readonly string[] =>
  pictures.slice(shard * shard_size, (shard + 1) * shard_size);

/** How many pictures these shards have. */
export const picturesIn = (plan: Plan, shards: readonly number[]): number =>
  shards.reduce((sum, shard) => sum + picturesOf(plan, shard).length, 0);

/** The numbers of shards whose results are not there yet. */
export async function missingShards(store: Store, plan: Plan): Promise<number[]> {
  const there = new Set(await store.list('shard-'));
  return Array.from({ length: plan.shards }, (_, shard) => shard).filter((shard) => !there.has(shardName(plan, shard)));
}

/** Null where there is no plan. @throws UsageError for a file that is not a plan */
export async function readPlan(store: Store): Promise<Plan | null> {
  const bytes = await store.read(FILE);
  if (bytes === null) return null;
  const where = store.nameOf(FILE);
  let plan: Plan;
  try {
    plan = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new UsageError(`${where}: is not the plan of a run (${messageOf(error)}); name another --out`);
  }
  if (plan?.version !== VERSION || !Array.isArray(plan.pictures)) {
    throw new UsageError(`${where}: is not a plan of this version; name another --out`);
  }
  if (makePlan(plan, plan.pictures).hash !== plan.hash) {
    throw new UsageError(`${where}: was changed since it was written (its hash does not fit); name another --out`);
  }
  return plan;
}

/**
 * Writes the plan down, or finds that it is there already: then the run goes on where it was.
 * @throws UsageError where another plan is there
 */
export async function settlePlan(store: Store, plan: Plan): Promise<void> {
  const text = `${JSON.stringify(plan)}\n`;
  if (await store.create(FILE, new TextEncoder().encode(text))) return;
  const there = await readPlan(store);
  if (there === null) throw new UsageError(`${store.nameOf(FILE)}: was removed while the run began`);
  if (there.hash !== plan.hash) throw new UsageError(`${store.nameOf(FILE)}: ${difference(there, plan)}`);
}

/** Why one plan cannot go on with the other's work. */
function difference(there: Plan, wanted: Plan): string {
  for (const [option, flag] of Object.entries(FLAGS) as [keyof PlanOptions, string][]) {
    if (there[option] === wanted[option]) continue;
    const was = there[option] ?? 'left out';
    const is = wanted[option] ?? 'left out';
    return `the run in it has ${flag} ${was}, here it is ${is}; go on with ${was}, or name another --out`;
  }
  const [before, now] = [new Set(there.pictures), new Set(wanted.pictures)];
  const added = wanted.pictures.filter((picture) => !before.has(picture));
  const gone = there.pictures.filter((picture) => !now.has(picture));
  const parts = [
    ...(added.length > 0 ? [`${added.length} new, the first ${added[0]}`] : []),
    ...(gone.length > 0 ? [`${gone.length} gone, the first ${gone[0]}`] : []),
  ];
  const what = parts.length > 0 ? parts.join('; ') : 'they come in another order';
  return `the pictures are others than when the run began (${what}); name another --out for them`;
}
