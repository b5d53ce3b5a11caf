/**
 * The loop that every command over pictures runs: a batch at a time, so that a folder of ten thousand takes no more
 * memory than a folder of ten; results in the order of the pictures; a picture that fails alone.
 */
import { setImmediate } from 'node:timers/promises';
import { env, Tensor } from '../entries/main-node.js';
import type { Prepared } from '../platforms/node/prepare.js';
import { inFlags } from './language.js';
import { type LookAhead, type Outcome, outcomeOf } from './look-ahead.js';
import { formatOf, type PictureFlags } from './options.js';
import { Output, type Result } from './output.js';
import type { Picture } from './pictures.js';
import { Progress } from './progress.js';
import type { Session } from './session.js';

export interface Job {
  pictures: readonly Picture[];
  /** Of these pictures. */
  lookAhead: LookAhead;
  batchSize: number;
  flags: PictureFlags;
  session: Session;
  /** Of CSV, between `file` and `error`. */
  columns: readonly string[];
  /**
   * From pictures and what became of preparing them to one outcome a picture, null where there is nothing to say of it
   * yet. What it throws ends the run.
   */
  work(batch: readonly Picture[], prepared: readonly Outcome<Prepared>[]): Promise<Outcome<Result | null>[]>;
  /** Called after the last batch. */
  finish?(output: Output): Promise<void>;
}

export async function runJob(job: Job): Promise<void> {
  const { pictures, lookAhead, batchSize, flags, session, columns, work, finish } = job;
  const progress = new Progress(pictures.length, flags.quiet !== true);
  const output = new Output(progress, { ...flags, format: formatOf(flags), columns });
  const { onWarning } = env;
  env.onWarning = (message) => output.note(inFlags(message));
  if (lookAhead.remark !== undefined) output.note(lookAhead.remark);
  try {
    for (let at = 0; at < pictures.length; at += batchSize) {
      const batch = pictures.slice(at, at + batchSize);
      const prepared = await session.unlessStopped(lookAhead.take(batch.length));
      const outcomes = await session.unlessStopped(work(batch, prepared));
      for (const [index, outcome] of outcomes.entries()) {
        const { file } = batch[index];
        if ('error' in outcome) await output.failure(file, outcome.error);
        else if (outcome.value !== null) await output.result(file, outcome.value);
      }
      await progress.update(at + batch.length);
      // Computing holds the thread; signals and errors of the output are heard here.
      await session.unlessStopped(setImmediate());
    }
    await finish?.(output);
    output.noteFailures(pictures.length);
    session.exitCode = output.exitCode;
  } finally {
    env.onWarning = onWarning;
    lookAhead.close();
    progress.hide();
    await output.end();
  }
}

/**
 * What the network makes of each picture, [1,…]: as its thread has computed it, or else computed here, for pictures that
 * preprocess to the same size together.
 * @param compute from pixel values [N,C,H,W] to the network's output [N,…]
 */
export async function outputsOf(
  prepared: readonly Outcome<Prepared>[],
  compute: (pixel_values: Tensor<'float32'>) => Promise<Tensor<'float32'>>,
): Promise<Outcome<Tensor<'float32'>>[]> {
  const outcomes: Outcome<Tensor<'float32'>>[] = [];
  const groups = new Map<string, { index: number; pixels: Tensor<'float32'> }[]>();
  for (const [index, outcome] of prepared.entries()) {
    if ('error' in outcome) {
      outcomes[index] = outcome;
      continue;
    }
    const { output, pixel_values } = outcome.value;
    if (output !== null) {
      outcomes[index] = { value: output };
      continue;
    }
    const size = pixel_values!.dims.join('×');
    groups.set(size, [...(groups.get(size) ?? []), { index, pixels: pixel_values! }]);
  }
  for (const members of groups.values()) {
    const computed = await outcomeOf(compute(stack(members.map((member) => member.pixels))).then(unstack));
    for (const [n, { index }] of members.entries()) {
      outcomes[index] = 'error' in computed ? computed : { value: computed.value[n] };
    }
  }
  return outcomes;
}

/** [1,C,H,W] tensors of one size as one [N,C,H,W]. */
function stack(tensors: readonly Tensor<'float32'>[]): Tensor<'float32'> {
  const [first] = tensors;
  if (tensors.length === 1) return first;
  const data = new Float32Array(tensors.length * first.size);
  for (const [n, tensor] of tensors.entries()) data.set(tensor.data, n * first.size);
  return new Tensor('float32', data, [tensors.length, ...first.dims.slice(1)]);
}

/** The opposite: [N,…] as N tensors [1,…], which share its memory. */
function unstack({ data, dims }: Tensor<'float32'>): Tensor<'float32'>[] {
  const size = data.length / dims[0];
  return Array.from(
    { length: dims[0] },
    (_, n) => new Tensor('float32', data.subarray(n * size, (n + 1) * size), [1, ...dims.slice(1)]),
  );
}
