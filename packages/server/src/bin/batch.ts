/** `mobilenet-v2-batch`: from flags to options. What it does is in ../batch. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { messageOf, UsageError } from '../batch/errors.js';
import { FORMATS, type Format } from '../batch/plan.js';
import type { QueueOptions, QueuePlace } from '../batch/queue.js';
import { run, type Talk } from '../batch/run.js';
import { shareOf } from '../batch/share.js';
import { describeStatus, statusOf } from '../batch/status.js';
import { Stop } from '../batch/stop.js';
import { ServeError } from '../errors.js';
import { VERSION } from '../version.js';
import { TASKS, type Task } from '../workers/jobs.js';
import { whole } from './flags.js';

const EXIT = { ok: 0, failed: 1, usage: 2 } as const;
const MOST_SHARD = 10_000;

interface QueueFlags {
  queue?: string;
  queueName: string;
  lock: number;
  board?: string;
}

interface WorkFlags extends QueueFlags {
  workers?: number;
  maxPixels?: number;
  quiet?: true;
}

interface RunFlags extends WorkFlags {
  task: Task;
  out: string;
  model?: string;
  format: Format;
  topK: number;
  threshold?: number;
  shardSize: number;
  shard?: string;
  shardCount?: string;
  work: boolean;
}

function fraction(text: string): number {
  const value = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('Expected a number from 0 to 1, or a percentage.');
}

function addWorkOptions(command: Command): Command {
  return command
    .option('--workers <n>', 'threads of this process (default: one for every CPU)', whole(1, 1024))
    .option('--max-pixels <n>', 'most pixels of a picture (default: 25000000)', whole(1))
    .option('-q, --quiet', 'errors only');
}

const QUEUE = 'redis://… or rediss://… of Redis or Valkey';

function addQueueOptions(command: Command): Command {
  return command
    .option('--queue-name <name>', 'of the queue', 'mobilenet-v2-batch')
    .option('--lock <s>', 'seconds until a silent worker is taken for dead', whole(1, 3600), 30)
    .option('--board <port>', 'show the queue at /board; host:port for other machines to see it');
}

function makeProgram(talk: Talk, end: (code: number) => void): Command {
  const program = new Command('mobilenet-v2-batch')
    .description('Classify, segment or turn into features a great many pictures, and go on where it was after a stop.')
    .version(VERSION)
    .showHelpAfterError('Add --help to see how it is used.')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'mobilenet-v2-batch: ')) });
  const runCommand = program
    .command('run')
    .description('Do a folder, the pictures that a file lists, or a part of a bucket. Again, and it goes on.')
    .argument('<pictures>', 'folder, file with a name a line, or s3://bucket/prefix')
    .addOption(new Option('--task <task>', 'what to do').choices(TASKS).makeOptionMandatory())
    .requiredOption('-o, --out <dir>', 'folder or s3://bucket/prefix for results')
    .option('-m, --model <model>', 'folder or hub name (default: the checkpoint that ships)')
    .addOption(new Option('-f, --format <format>', 'of results').choices(FORMATS).default('ndjson'))
    .option('--top-k <k>', 'labels a picture', whole(1), 5)
    .option('--threshold <0-1>', 'leave out labels, or pixels, with a lower score', fraction)
    .option('--shard-size <n>', 'pictures of a shard', whole(1, MOST_SHARD), 64)
    .option('--shard <i/n>', 'only the i-th of n parts; Slurm and Kubernetes say theirs')
    .option('--shard-count <n>', 'of how many pods JOB_COMPLETION_INDEX is one')
    .option('--queue <url>', `share the work by a queue: ${QUEUE}`)
    .option('--no-work', 'with --queue: put shards into the queue and end');
  addQueueOptions(addWorkOptions(runCommand)).action(async (input, flags) => end(await runAction(input, flags, talk)));
  const workCommand = program
    .command('work')
    .description('Take shards from a queue, of any run, until a signal comes.')
    .requiredOption('--queue <url>', QUEUE)
    .option('--until-empty', 'end when nothing is in the queue');
  addQueueOptions(addWorkOptions(workCommand)).action(async (flags) => end(await workAction(flags, talk)));
  program
    .command('status')
    .description('Say how far a run is.')
    .argument('<dir>', 'the folder or s3://bucket/prefix of its results')
    .option('--json', 'as JSON')
    .option('--queue <url>', `what is in a queue too: ${QUEUE}`)
    .option('--queue-name <name>', 'of the queue', 'mobilenet-v2-batch')
    .action((dir, flags) => statusAction(dir, flags, talk));
  return program;
}

const queueOptions = ({ queue, queueName, lock }: QueueFlags): QueueOptions => ({ url: queue!, name: queueName, lock });

async function runAction(input: string, flags: RunFlags, talk: Talk): Promise<number> {
  const {
    task,
    out,
    model = null,
    format,
    topK,
    threshold = null,
    shardSize,
    workers,
    maxPixels: pixels,
    quiet,
    queue,
  } = flags;
  const options = {
    ...{ input, out, task, model, format, top_k: topK, threshold, shard_size: shardSize },
    ...(workers !== undefined && { workers }),
    ...(pixels !== undefined && { pixels }),
    ...(quiet && { quiet }),
  };
  if (queue === undefined) {
    if (flags.board !== undefined) throw new UsageError('--board shows a queue; add --queue');
    if (!flags.work) throw new UsageError('--no-work leaves the work to a queue; add --queue');
    const share = shareOf(flags.shard, flags.shardCount, process.env);
    return run({ ...options, ...(share !== null && { share }) }, talk);
  }
  if (flags.shard !== undefined) throw new UsageError('--shard and --queue are two ways to share work; choose one');
  const { runWithQueue } = await import('../batch/queue.js');
  return withBoard(flags, talk, () => runWithQueue({ ...options, work: flags.work }, queueOptions(flags), talk));
}

async function workAction(flags: WorkFlags & { untilEmpty?: true }, talk: Talk): Promise<number> {
  const { work } = await import('../batch/queue.js');
  const { workers, maxPixels: pixels, untilEmpty } = flags;
  const options = {
    ...(workers !== undefined && { workers }),
    ...(pixels !== undefined && { pixels }),
    ...(untilEmpty && { untilEmpty }),
  };
  return withBoard(flags, talk, () => work(options, queueOptions(flags), talk));
}

async function withBoard(flags: QueueFlags, talk: Talk, action: () => Promise<number>): Promise<number> {
  if (flags.board === undefined) return action();
  const { openBoard } = await import('../batch/board.js');
  const board = await openBoard(flags.board, queueOptions(flags), talk);
  try {
    return await action();
  } finally {
    await board.close();
  }
}

async function statusAction(
  dir: string,
  { json, queue, queueName }: { json?: true; queue?: string; queueName: string },
  talk: Talk,
): Promise<void> {
  const status = await statusOf(dir);
  const counts = queue === undefined ? undefined : await countsOf({ url: queue, name: queueName }, talk);
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...status, ...(counts && { queue: counts }) })}\n`);
    return;
  }
  process.stdout.write(describeStatus(status));
  if (counts === undefined) return;
  const states = Object.entries(counts).map(([state, n]) => `${n} ${state}`);
  process.stdout.write(`  queue: ${states.join(', ')}\n`);
}

async function countsOf(place: QueuePlace, talk: Talk): Promise<Record<string, number>> {
  const { queueCounts } = await import('../batch/queue.js');
  return queueCounts(place, talk);
}

function exitCodeOf(error: unknown, stop: Stop): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const usage = error instanceof UsageError || (error instanceof ServeError && error.kind === 'NOT_FOUND');
  process.stderr.write(`mobilenet-v2-batch: ${messageOf(error)}\n`);
  if (!usage && process.env.DEBUG) process.stderr.write(`${(error as Error).stack}\n`);
  return usage ? EXIT.usage : stop.exitCode || EXIT.failed;
}

const args = process.argv.slice(2);
const quiet = args.includes('-q') || args.includes('--quiet');
/** On a terminal over a bar that may stand there. */
const say = (text: string): void => {
  if (!quiet) process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[K' : ''}mobilenet-v2-batch: ${text}\n`);
};
const stop = new Stop();
stop.listen(say);
let code: number = EXIT.ok;
try {
  await makeProgram({ stop, say }, (own) => {
    code = own;
  }).parseAsync(args, { from: 'user' });
} catch (error) {
  code = exitCodeOf(error, stop);
}
// Not by itself: a connection that is tried again for ever would keep the process.
process.exit(code);
