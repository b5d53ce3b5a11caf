/**
 * A run whose shards are jobs of BullMQ, on Redis or Valkey: any number of workers on any machines take them. The queue only says
 * who does what. What is done, the results say, so a job that is given twice, or lost with its broker, does no harm.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type * as BullMQ from 'bullmq';
import { messageOf, UsageError } from './errors.js';
import { missingShards, type Plan, picturesIn, readPlan, shardName, shardStem } from './plan.js';
import { Progress, plural } from './progress.js';
import { conclude, type Planned, planRun, type RunOptions, SHARDS_AT_A_TIME, type Talk } from './run.js';
import { type Run, runShard } from './shard.js';
import { isS3 } from './stores/bucket.js';
import { openStore, type Store } from './stores/store.js';
import { Workplace, type WorkplaceOptions } from './workplace.js';

/** Which queue. */
export interface QueuePlace {
  /** `redis://…` or `rediss://…` */
  url: string;
  /** Name of the queue. */
  name: string;
}

export interface QueueOptions extends QueuePlace {
  /** Seconds after which a worker that is silent is taken for dead, and its shard given to another. */
  lock: number;
}

/** What a job says. The rest is in the plan, which lies with the results. */
interface ShardData {
  out: string;
  /** Of the plan. */
  hash: string;
  shard: number;
}
type ShardJob = BullMQ.Job<ShardData>;

/** Tries of a shard whose store could not be reached; the last one begins 15 s after the first. */
const ATTEMPTS = 5;
const BACKOFF = { type: 'exponential', delay: 1000 } as const;
/** Stalled jobs come from workers that died. Pictures that kill workers are found by other means (attempts.ts). */
const ANY_NUMBER = 1_000_000;
/** Jobs a call. */
const BULK = 1000;
/** Milliseconds between looks at the results. */
const LOOK_EVERY = { folder: 1000, s3: 5000 };

async function bullmq(): Promise<typeof BullMQ> {
  try {
    await import('ioredis');
    return await import('bullmq');
  } catch (error) {
    throw new UsageError(`--queue needs two more packages: npm install bullmq ioredis (${messageOf(error)})`);
  }
}

/** A URL without its password. */
const shown = (url: string): string => url.replace(/\/\/[^@/]*@/, '//');

function connection(url: string): BullMQ.ConnectionOptions {
  if (!/^rediss?:\/\//.test(url)) throw new UsageError(`--queue: expected redis://… or rediss://…, got ${shown(url)}`);
  // Without a limit of tries: a broker that is started again finds everybody waiting.
  return { url, maxRetriesPerRequest: null };
}

/** One line for a broker that is away, not one for every try to reach it. */
function hearErrors(
  emitter: { on(event: 'error', listener: (error: Error) => void): unknown },
  url: string,
  talk: Talk,
) {
  let last = 0;
  emitter.on('error', (error) => {
    if (Date.now() - last < 10_000) return;
    last = Date.now();
    talk.say(`${shown(url)}: ${error.message || messageOf((error as { code?: string }).code)}; trying again`);
  });
}

export async function openQueue({ url, name }: QueuePlace, talk: Talk): Promise<BullMQ.Queue<ShardData>> {
  const { Queue } = await bullmq();
  const queue = new Queue<ShardData>(name, { connection: connection(url) });
  hearErrors(queue, url, talk);
  return queue;
}

/** The same for everybody who goes on with this run; another place has other jobs. */
const runKey = (out: string, hash: string): string =>
  createHash('sha256').update(`${hash} ${out}`).digest('hex').slice(0, 16);

const jobId = (store: Store, plan: Plan, shard: number): string =>
  `${runKey(store.where, plan.hash)}-${shardStem(plan.shards, shard)}`;

/** Adds jobs for shards; those that are in the queue already stay as they are. */
async function enqueue(queue: BullMQ.Queue<ShardData>, { store, plan }: Planned, shards: readonly number[]) {
  const jobs = shards.map((shard) => ({
    name: shardStem(plan.shards, shard),
    data: { out: store.where, hash: plan.hash, shard },
    opts: { jobId: jobId(store, plan, shard), attempts: ATTEMPTS, backoff: BACKOFF, removeOnComplete: true },
  }));
  for (let at = 0; at < jobs.length; at += BULK) await queue.addBulk(jobs.slice(at, at + BULK));
}

/** Jobs of this run that failed for good. */
async function failedJobs(queue: BullMQ.Queue<ShardData>, { store, plan }: Planned): Promise<ShardJob[]> {
  const all = await queue.getFailed();
  return all.filter((job) => job?.data.out === store.where && job.data.hash === plan.hash);
}

/** Whether no job is left to do. */
async function isEmpty(queue: BullMQ.Queue<ShardData>): Promise<boolean> {
  const counts = await queue.getJobCounts('wait', 'active', 'delayed', 'prioritized');
  return Object.values(counts).every((count) => count === 0);
}

/** Plans a run, puts its shards into the queue, works on them with all others, and ends when the last is done. */
export async function runWithQueue(
  options: RunOptions & { work: boolean },
  queueOptions: QueueOptions,
  talk: Talk,
): Promise<number> {
  const planned = await planRun(options, talk);
  const { store, plan, missing } = planned;
  if (missing.length === 0) return conclude(store, plan, null, talk);
  const queue = await openQueue(queueOptions, talk);
  try {
    for (const job of await failedJobs(queue, planned)) await job.remove();
    await enqueue(queue, planned, missing);
    if (!options.work) {
      talk.say(`${plural(missing.length, 'shard')} in queue ${queueOptions.name} of ${shown(queueOptions.url)}`);
      return 0;
    }
    const progress = new Progress(plan.pictures.length, plan.pictures.length - picturesIn(plan, missing), options);
    const crew = await startCrew(queueOptions, options, talk);
    try {
      await untilDone(queue, planned, progress, talk);
    } finally {
      progress.end();
      await crew.close();
    }
  } finally {
    await queue.close();
  }
  if (talk.stop.requested) return talk.stop.exitCode;
  return conclude(store, plan, null, talk);
}

/** Looks at the results until all are there. What the queue has lost is put into it again. */
async function untilDone(queue: BullMQ.Queue<ShardData>, planned: Planned, progress: Progress, { stop }: Talk) {
  const { store, plan } = planned;
  const every = isS3(store.where) ? LOOK_EVERY.s3 : LOOK_EVERY.folder;
  let looksAtNothing = 0;
  for (;;) {
    const missing = await missingShards(store, plan);
    progress.add(plan.pictures.length - picturesIn(plan, missing) - progress.done);
    if (missing.length === 0 || stop.requested) return;
    looksAtNothing = (await isEmpty(queue)) ? looksAtNothing + 1 : 0;
    if (looksAtNothing >= 2) {
      const [failed] = await failedJobs(queue, planned);
      if (failed !== undefined) throw new Error(`${shardName(plan, failed.data.shard)}: ${failed.failedReason}`);
      await enqueue(queue, planned, missing);
      looksAtNothing = 0;
    }
    await sleep(every, undefined, { signal: stop.signal }).catch(() => {});
  }
}

export interface WorkOptions extends WorkplaceOptions {
  quiet?: boolean;
  /** End when nothing is in the queue. */
  untilEmpty?: boolean;
}

/** Takes shards of any run from the queue, until a signal comes. */
export async function work(options: WorkOptions, queueOptions: QueueOptions, talk: Talk): Promise<number> {
  const queue = await openQueue(queueOptions, talk);
  const crew = await startCrew(queueOptions, options, talk);
  talk.say(`waits for shards in queue ${queueOptions.name} of ${shown(queueOptions.url)}`);
  try {
    while (!talk.stop.requested) {
      await sleep(1000, undefined, { signal: talk.stop.signal }).catch(() => {});
      if (options.untilEmpty && crew.busy === 0 && (await isEmpty(queue))) break;
    }
  } finally {
    await crew.close();
    await queue.close();
  }
  return talk.stop.exitCode;
}

interface Crew {
  /** Shards under way. */
  readonly busy: number;
  /** After the shards under way. */
  close(): Promise<void>;
}

/** The workers of this machine, at the queue. */
async function startCrew({ url, name, lock }: QueueOptions, options: WorkOptions, talk: Talk): Promise<Crew> {
  const { Worker, WaitingError } = await bullmq();
  const workplace = new Workplace(options);
  const runs = new Map<string, Promise<Run>>();
  let busy = 0;
  const runOf = (data: ShardData): Promise<Run> => {
    const key = runKey(data.out, data.hash);
    const known = runs.get(key);
    if (known !== undefined) return known;
    const opened = openRun(workplace, data);
    runs.set(key, opened);
    opened.catch(() => runs.delete(key)); // the next try looks again
    return opened;
  };
  const worker = new Worker<ShardData>(
    name,
    async (job, token) => {
      busy++;
      try {
        const run = await runOf(job.data);
        await run.lane.room();
        if (talk.stop.requested) {
          await job.moveToWait(token);
          throw new WaitingError();
        }
        // Somebody may have done it and died before the queue heard of it.
        const there = await run.store.list(shardName(run.plan, job.data.shard));
        if (there.length === 0) await runShard(run, job.data.shard);
      } finally {
        busy--;
      }
    },
    {
      connection: connection(url),
      concurrency: SHARDS_AT_A_TIME,
      lockDuration: lock * 1000,
      stalledInterval: lock * 1000,
      maxStalledCount: ANY_NUMBER,
    },
  );
  hearErrors(worker, url, talk);
  worker.on('failed', (job, error) => talk.say(`${job?.name ?? 'a shard'}: ${error.message}`));
  return {
    get busy() {
      return busy;
    },
    async close() {
      await worker.close();
      await workplace.close();
    },
  };
}

async function openRun(workplace: Workplace, { out, hash }: ShardData): Promise<Run> {
  const store = openStore(out);
  const plan = await readPlan(store);
  if (plan === null) throw new UsageError(`${store.where}: has no plan.json; does this machine see that folder?`);
  if (plan.hash !== hash) throw new UsageError(`${store.where}: the plan there is of another run`);
  return workplace.open(plan, store);
}

/** What is in the queue, by state. */
export async function queueCounts(place: QueuePlace, talk: Talk): Promise<Record<string, number>> {
  const queue = await openQueue(place, talk);
  try {
    return await queue.getJobCounts('wait', 'active', 'delayed', 'failed');
  } finally {
    await queue.close();
  }
}
