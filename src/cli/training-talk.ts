/** What `train` says while it trains: a bar on the terminal, a line for each epoch, and how to go on where it was stopped. */
import type { ImageFolder, LogEntry, Trainer, TrainerCallback, TrainerState } from '../entries/train.js';
import { bestEvaluation } from '../train/state.js';
import type { FolderTalk } from './folder-flags.js';
import { Progress } from './progress.js';
import { grouped, json, plural, printable } from './text.js';

/** Of more epochs every tenth part has a line. */
const MANY_EPOCHS = 20;

/** Metrics that a line has, and their words. */
const METRICS = {
  eval_accuracy: 'accuracy',
  eval_mean_iou: 'mean IoU',
  eval_overall_accuracy: 'pixels right',
} as const;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const seconds = (since: number): number => (performance.now() - since) / 1000;

interface TalkFlags {
  out: string;
  task: 'classify' | 'segment';
  train: string;
  batchNorm: string;
  json?: true;
  quiet?: true;
}

export class TrainingTalk implements TrainerCallback {
  readonly #talk: FolderTalk;
  readonly #trainer: Trainer;
  readonly #flags: TalkFlags;
  #started = performance.now();
  #epochStarted = performance.now();
  #pictures = 0;
  #bar: Progress | undefined;
  #first = 0;
  #loss: number | undefined;
  #line: LogEntry = {};
  /** One line on what is trained, and on what. */
  beginning = '';

  constructor(talk: FolderTalk, trainer: Trainer, flags: TalkFlags) {
    this.#talk = talk;
    this.#trainer = trainer;
    this.#flags = flags;
  }

  get seconds(): number {
    return seconds(this.#started);
  }

  begin(folder: string, { train, test, id2label, testFolder }: ImageFolder): void {
    const { args } = this.#trainer;
    const { train: part, task } = this.#flags;
    const what =
      part === 'head' && task === 'classify'
        ? 'the head'
        : part === 'all'
          ? 'the whole network'
          : `${part === 'last' ? 'the last blocks' : 'the head'}`;
    const kept =
      test.length === 0 ? 'none' : `${grouped(test.length)}${testFolder === undefined ? '' : ` of ${testFolder}/`}`;
    const norms =
      part === 'head' && task === 'classify'
        ? ''
        : `, batch norm ${this.#flags.batchNorm === 'train' ? 'trained' : 'frozen'}`;
    this.beginning =
      `${folder}: ${grouped(train.length)} pictures to train with, ${kept} to evaluate with, ${grouped(Object.keys(id2label).length)} classes; ` +
      `${what} at ${train.dims.slice(1).join('×')}${norms}, ${plural(args.num_train_epochs, 'epoch')}, learning rate ${args.learning_rate}`;
    if (!this.#flags.json) this.#say(this.beginning);
    else this.#talk.note(this.beginning);
  }

  on_train_begin = (_: unknown, { global_step, max_steps }: TrainerState): void => {
    if (global_step > 0) this.#talk.note(`goes on from step ${grouped(global_step)} of ${grouped(max_steps)}`);
    this.#first = global_step;
    this.#started = performance.now();
    const format = '{bar} epoch {epoch}{loss}, {speed}, {left} left';
    this.#bar = new Progress(max_steps - global_step, this.#flags.quiet !== true, format);
    this.#talk.bar = this.#bar;
  };

  on_epoch_begin = (): void => {
    this.#epochStarted = performance.now();
    this.#pictures = 0;
  };

  on_step_end = async (_: unknown, state: TrainerState): Promise<void> => {
    const { args } = this.#trainer;
    this.#pictures += args.per_device_train_batch_size * args.gradient_accumulation_steps;
    const speed = `${(this.#pictures / seconds(this.#epochStarted)).toFixed(0)} pictures/s`;
    const loss = this.#loss === undefined ? '' : `, loss ${this.#loss.toFixed(3)}`;
    const epoch = `${Math.min(state.num_train_epochs, Math.floor(state.epoch) + 1)} of ${state.num_train_epochs}`;
    await this.#bar!.update(state.global_step - this.#first, { epoch, loss, speed });
  };

  on_log = (_: unknown, state: TrainerState, __: unknown, { logs }: { logs?: LogEntry }): void => {
    if (logs === undefined) return;
    if (this.#flags.json) {
      this.#bar?.hide();
      process.stdout.write(`${json({ step: state.global_step, ...logs })}\n`);
    }
    if (logs.loss !== undefined) {
      this.#loss = logs.loss;
      this.#line = { ...logs, seconds: seconds(this.#epochStarted) };
      if (this.#trainer.args.eval_strategy === 'no') this.#epochLine(state);
    } else if (logs.eval_loss !== undefined) {
      this.#line = { ...this.#line, ...logs };
      this.#epochLine(state);
    }
  };

  #epochLine({ num_train_epochs }: TrainerState): void {
    if (this.#flags.json) return;
    const { loss, eval_loss, epoch, seconds: took = 0 } = this.#line;
    const every = num_train_epochs > MANY_EPOCHS ? Math.ceil(num_train_epochs / 10) : 1;
    if (Number.isInteger(epoch) && epoch! > 1 && epoch! % every > 0) return;
    const width = String(num_train_epochs).length;
    const parts = [`epoch ${Number(epoch!.toFixed(2)).toString().padStart(width)} of ${num_train_epochs}`];
    if (loss !== undefined) parts.push(`loss ${loss.toFixed(3)}`);
    if (eval_loss !== undefined) parts.push(`evaluation: loss ${eval_loss.toFixed(3)}${this.#metrics()}`);
    parts.push(`${took.toFixed(1)} s`);
    this.#say(parts.join('  '));
  }

  #metrics(): string {
    const found = Object.entries(METRICS).filter(([name]) => this.#line[name] !== undefined);
    return found.map(([name, words]) => `, ${words} ${percent(this.#line[name]!)}`).join('');
  }

  /** Which epoch the model is of. */
  bestLine(): string {
    const { state, args } = this.#trainer;
    const { best_metric, best_global_step } = state;
    const { out } = this.#flags;
    const done = `${plural(state.global_step, 'step')} in ${this.seconds.toFixed(0)} s`;
    if (best_metric === null || best_global_step === null) return `${out}: the model after ${done}`;
    const best = bestEvaluation(state);
    return `${out}: the model of epoch ${Number((best?.epoch ?? state.epoch).toFixed(2))}, the best of ${args.num_train_epochs} by ${args.metric_for_best_model!.replace('mean_iou', 'mean IoU')}; ${done}`;
  }

  /** At Ctrl-C. */
  stopping(): void {
    this.#talk.note('stopping: what is done is saved; Ctrl-C once more ends without');
  }

  /** After it: where it is, and how to go on. */
  stopped(): void {
    const { global_step, max_steps } = this.#trainer.state;
    if (global_step === this.#first) {
      this.#talk.note('stopped before the first step; nothing was saved');
      return;
    }
    const again = [
      ...process.argv.slice(2).filter((word) => word !== '--resume' && word !== '--force' && word !== '-y'),
      '--resume',
    ];
    const line = again
      .map((word) => (/^[\w./:=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
      .join(' ');
    this.#talk.note(`stopped after step ${grouped(global_step)} of ${grouped(max_steps)}, which is saved; to go on:`);
    process.stderr.write(`  mobilenet-v2 ${printable(line)}\n`); // by itself, to be copied
  }

  #say(text: string): void {
    if (this.#flags.quiet) return;
    if (process.stdout.isTTY) this.#bar?.hide();
    process.stdout.write(`${printable(text)}\n`);
  }
}
