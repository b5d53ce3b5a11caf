/** One shard, from its pictures to its file. The file comes last: where it is, all that belongs to it is there too. */
import { MobileNetError } from 'mobilenet-v2';
import { ServeError } from '../errors.js';
import type { PictureAnswer, PicturesJob } from '../workers/jobs.js';
import type { WorkerPool } from '../workers/pool.js';
import { Attempt } from './attempts.js';
import type { Lane } from './lane.js';
import type { Pictures } from './pictures.js';
import { type Plan, picturesOf, shardName, shardStem } from './plan.js';
import { isFailure, type Record } from './records.js';
import { ndjson } from './sinks/ndjson.js';
import { encode } from './sinks/sink.js';
import type { Store } from './stores/store.js';

/** What the shards of a run share. */
export interface Run {
  plan: Plan;
  pictures: Pictures;
  store: Store;
  pool: Pick<WorkerPool, 'run'>;
  /** The name that the pool has the model under. */
  model: string;
  lane: Lane;
  /** Hears of every picture. */
  onPicture?: (record: Record) => void;
}

/** A mask of a segmentation, written before the shard's file. */
interface Mask {
  name: string;
  bytes: Uint8Array;
}

/** Deaths of workers, each a fresh one, until a picture is left. */
const MOST_DEATHS = 2;
/** How long a picture waits for a worker: as long as it takes. */
const FOR_EVER = 2 ** 31 - 1;

/** Does a shard. Where another process has written its results already, those stay. */
export async function runShard(run: Run, shard: number): Promise<void> {
  const { plan, store } = run;
  const stem = shardStem(plan.shards, shard);
  const attempt = await Attempt.begin(store, stem);
  const masks: Mask[] = [];
  let records: Record[];
  try {
    records = await computed(run, shard, attempt, masks);
    for (const { name, bytes } of masks) await store.put(name, bytes);
    const failures = records.filter(isFailure);
    const failed = `failed/${stem}.ndjson`;
    if (failures.length > 0) await store.put(failed, new TextEncoder().encode(ndjson(failures)));
    else await store.remove(failed);
    await store.create(shardName(plan, shard), await encode(records, plan.task, plan.format));
  } finally {
    await attempt.end();
  }
}

async function computed(run: Run, shard: number, attempt: Attempt, masks: Mask[]): Promise<Record[]> {
  const names = picturesOf(run.plan, shard);
  const records: Record[] = [];
  const one = async (n: number): Promise<void> => {
    const file = names[n];
    const answer = attempt.isCrashed(n) ? crashed('the process', 3) : await answerTo(run, file);
    records[n] = recordOf(run, shard, n, answer, masks);
    run.onPicture?.(records[n]);
  };
  if (!attempt.careful) {
    await all(names.map((_, n) => run.lane.run(() => one(n))));
    return records;
  }
  for (const n of attempt.order(names.length)) {
    await run.lane.run(async () => {
      await attempt.alone(n);
      await one(n);
      await attempt.lived(n);
    }, run.lane.width);
  }
  return records;
}

/** Not before the last has ended, so that nothing of the shard goes on after an error. */
async function all(work: Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

const failure = (code: string, message: string): PictureAnswer => ({ error: { kind: 'INTERNAL', code, message } });

const crashed = (who: string, times: number): PictureAnswer =>
  failure('CRASHED', `${who} that worked on this picture died, ${times} times`);

/** A picture that cannot be read or computed gets an answer; an error that every other picture would have too is thrown. */
async function answerTo({ plan, pictures, pool, model }: Run, file: string): Promise<PictureAnswer> {
  for (let deaths = 0; deaths < MOST_DEATHS; ) {
    try {
      const bytes = await pictures.read(file);
      const job: PicturesJob = {
        kind: 'pictures',
        model,
        task: plan.task,
        pictures: [bytes],
        top_k: plan.top_k,
        segmentation: 'map',
        ...(plan.threshold !== null && { threshold: plan.threshold }),
      };
      return (await pool.run(job, { deadline: FOR_EVER })).pictures[0];
    } catch (error) {
      if (error instanceof MobileNetError) return failure(error.code, error.message);
      if (!(error instanceof ServeError && error.kind === 'CRASHED')) throw error;
      deaths++;
    }
  }
  return crashed('the worker', MOST_DEATHS);
}

function recordOf({ plan }: Run, shard: number, n: number, answer: PictureAnswer, masks: Mask[]): Record {
  const file = picturesOf(plan, shard)[n];
  if ('error' in answer) {
    const { code, message } = answer.error;
    // The worker has bytes and no name: there it is called "image".
    const reason = message.replace(/^image: /, '');
    return { file, error: { code, message: reason.startsWith(file) ? reason : `${file}: ${reason}` } };
  }
  if ('labels' in answer) return { file, labels: answer.labels.map(({ label, score }) => ({ label, score })) };
  if ('features' in answer) return { file, dims: [answer.features.length], features: answer.features };
  const { width, height, map } = answer;
  if (map === undefined) throw new Error('a segmentation came as masks, not as a map');
  const mask = maskName(plan, shard, n, file);
  masks.push({ name: mask, bytes: map.png });
  const classes = map.classes.map(({ index, label, pixels, share, color }) => ({
    id: index,
    label,
    pixels,
    share,
    color,
  }));
  return { file, width, height, classes, mask };
}

/** `masks/shard-000012-of-000400/07-dog.jpg.png`: whatever the picture's path is, this one stays inside of the results. */
function maskName({ shards }: Plan, shard: number, n: number, file: string): string {
  const base = file.slice(file.lastIndexOf('/') + 1).replace(/[^\p{L}\p{N}._-]/gu, '_');
  return `masks/${shardStem(shards, shard)}/${String(n).padStart(2, '0')}-${base.slice(-100)}.png`;
}
