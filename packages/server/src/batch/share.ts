/** Which part of a run a process does, from --shard or from what starts many of them. */
import { UsageError } from './errors.js';
import type { Share } from './run.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param shard `3/8`, the third of eight
 * @param count of a Kubernetes Indexed Job, which tells its pods their number only
 */
export function shareOf(shard: string | undefined, count: string | undefined, environment: Environment): Share | null {
  if (shard !== undefined) return fromFlag(shard);
  const { JOB_COMPLETION_INDEX: index, JOB_COMPLETION_COUNT, SLURM_ARRAY_TASK_ID: task } = environment;
  if (index !== undefined) {
    const all = count ?? JOB_COMPLETION_COUNT;
    if (all !== undefined) return check('JOB_COMPLETION_INDEX', whole(index), whole(all));
    throw new UsageError(
      `JOB_COMPLETION_INDEX is ${index}, but of how many is not known; --shard-count, or JOB_COMPLETION_COUNT, says it`,
    );
  }
  if (task !== undefined) return fromSlurm(task, count, environment);
  if (count !== undefined) throw new UsageError('--shard-count: of which one? --shard 1/8 says both');
  return null;
}

function fromFlag(shard: string): Share {
  const [, number, count] = /^(\d+)\/(\d+)$/.exec(shard) ?? [];
  if (number === undefined) throw new UsageError(`--shard: expected 1/8 to 8/8, got ${shard}`);
  return check('--shard', Number(number) - 1, Number(count));
}

/** An array may begin anywhere and go in steps. */
function fromSlurm(task: string, count: string | undefined, environment: Environment): Share {
  const { SLURM_ARRAY_TASK_MIN: first = '0', SLURM_ARRAY_TASK_STEP: step = '1', SLURM_ARRAY_TASK_COUNT } = environment;
  const all = count ?? SLURM_ARRAY_TASK_COUNT;
  if (all === undefined) throw new UsageError(`SLURM_ARRAY_TASK_ID is ${task}, but SLURM_ARRAY_TASK_COUNT is not set`);
  return check('SLURM_ARRAY_TASK_ID', (whole(task) - whole(first)) / whole(step), whole(all));
}

const whole = (text: string): number => (/^\d+$/.test(text) ? Number(text) : Number.NaN);

function check(what: string, index: number, count: number): Share {
  if (Number.isInteger(index) && count >= 1 && index >= 0 && index < count) return { index, count };
  throw new UsageError(`${what}: there is no number ${index + 1} of ${count}`);
}
