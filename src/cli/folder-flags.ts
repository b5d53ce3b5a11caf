/** What `train` and `evaluate` share: a folder of pictures with labels, read with a bar, and what is said of it. */
import type { Folder } from '../base/folder.js';
import { env, type HubOptions, MobileNetV2ImageProcessor } from '../entries/main-node.js';
import type { Assessment, FolderProgress, ImageFolderOptions } from '../entries/train.js';
import { assess, classRows, confusionRows, figuresOf, ImageFolder, type TrainableModel } from '../entries/train.js';
import { inFlags } from './language.js';
import { Progress } from './progress.js';
import type { Session } from './session.js';
import { plural, printable, table } from './text.js';

export interface FolderFlags {
  quiet?: true;
  json?: true;
}

/** A new head is what the user wants; other weights that are missing are not. */
const NEW_HEAD = /random now\b.*: ((classifier|segmentation_head)\.[\w.]+(, )?)+( and \d+ more)?$/;

/** Files that are named one by one; of more, how many. */
const MOST_NAMED = 3;

export class FolderTalk {
  readonly #quiet: boolean;
  /** The bar that stands on the terminal. */
  bar: Progress | undefined;

  constructor({ quiet }: FolderFlags) {
    this.#quiet = quiet === true;
    env.onWarning = (message) => {
      if (!NEW_HEAD.test(message)) this.note(inFlags(message));
    };
  }

  /** A remark for people. */
  note(text: string): void {
    if (this.#quiet) return;
    this.bar?.hide();
    process.stderr.write(`mobilenet-v2: ${printable(text)}\n`);
  }

  /** What hears how many pictures are done. */
  count(what: string): (progress: FolderProgress) => void {
    return ({ pictures, total }) => {
      this.bar ??= new Progress(total, !this.#quiet, `{bar} ${what}: {value} of {total} pictures, {left} left`);
      void this.bar.update(pictures);
      if (pictures === total) this.done();
    };
  }

  done(): void {
    this.bar?.hide();
    this.bar = undefined;
  }

  async open(
    folder: string,
    { signal }: Session,
    options: Omit<ImageFolderOptions, 'signal' | 'progress_callback'>,
  ): Promise<ImageFolder> {
    const opened = await ImageFolder.open(folder, { ...options, signal, progress_callback: this.count('reading') });
    this.done();
    this.#report(opened);
    return opened;
  }

  #report({ problems, nearDuplicates }: ImageFolder): void {
    this.#list(
      problems.map(({ file, reason }) => `left out ${file}: ${inFlags(reason)}`),
      'files are left out too',
    );
    const pairs = nearDuplicates.map(({ files: [a, b], ...pair }) => ({ ...pair, text: `${a} and ${b}` }));
    const wrong = pairs.filter(({ contradicts }) => contradicts);
    this.#list(
      wrong.map(({ text }) => `nearly the same, with two classes: ${text}`),
      'such pairs',
    );
    const leaks = pairs.filter(({ leaks, contradicts }) => leaks && !contradicts);
    this.#list(
      leaks.map(({ text }) => `nearly the same, one to train and one to evaluate with: ${text}`),
      'such pairs',
    );
    const others = pairs.length - wrong.length - leaks.length;
    if (others > 0) this.note(`${plural(others, 'other pair')} of pictures nearly the same, which does no harm`);
  }

  #list(lines: readonly string[], what: string): void {
    for (const line of lines.slice(0, MOST_NAMED)) this.note(line);
    if (lines.length > MOST_NAMED) this.note(`${lines.length - MOST_NAMED} more ${what}`);
  }

  async assess(
    model: TrainableModel,
    { test }: ImageFolder,
    batchSize: number,
    { signal }: Session,
  ): Promise<Assessment> {
    const found = await assess(model, test, { batchSize, signal, progress_callback: this.count('evaluating') });
    this.done();
    return found;
  }
}

/** The processor of a model, at another size where one is asked for. */
export function processorOf(
  model: string | Folder | undefined,
  size?: readonly [height: number, width: number],
  hub: HubOptions = {},
): Promise<MobileNetV2ImageProcessor> {
  if (size === undefined) return MobileNetV2ImageProcessor.from_pretrained(model, hub);
  const [height, width] = size;
  // Of a square the shortest side becomes as long as the crop, so that all of that side is seen.
  const resized = height === width ? { shortest_edge: height } : { height, width };
  const own = { size: resized, crop_size: { height, width }, do_resize: true, do_center_crop: true };
  return MobileNetV2ImageProcessor.from_pretrained(model, { ...hub, ...own });
}

const MOST_CLASSES = 20;

/** Figures, classes and confusions as text. */
export function assessmentText(assessment: Assessment, labels: Readonly<Record<number, string>>): string {
  const shown = (rows: readonly (readonly string[])[]) => rows.map((row) => row.map(printable));
  const { header, rows } = classRows(assessment, labels);
  const numbers = header.map((_, column) => column).slice(1);
  const parts = [table(figuresOf(assessment)), '', table([header, ...shown(rows.slice(0, MOST_CLASSES))], numbers)];
  if (rows.length > MOST_CLASSES)
    parts.push(`and ${rows.length - MOST_CLASSES} classes that were found better; --report has all`);
  const confused = confusionRows(assessment, labels, 5);
  if (confused.length > 0) {
    parts.push('', table([['is', 'taken for', 'times', 'of its class'], ...shown(confused)], [2, 3]));
  }
  return parts.join('\n');
}

/** The same as a record. */
export function assessmentRecord(
  assessment: Assessment,
  labels: Readonly<Record<number, string>>,
  files: ImageFolder['test'],
) {
  const { matrix, pixels, pictures, topFive, mistakes } = assessment;
  const name = (id: number) => labels[id] ?? String(id);
  const { per_category_iou: _, per_category_accuracy: __, ...means } = matrix.segmentation();
  return {
    pictures,
    ...(pixels
      ? means
      : { accuracy: matrix.accuracy, ...(topFive !== undefined && { top_5_accuracy: topFive }), ...matrix.macro() }),
    classes: matrix
      .scores()
      .map(({ id, iou, ...scores }) => ({ id, label: name(id), ...scores, ...(pixels && { iou }) })),
    confusions: matrix
      .confusions()
      .map(({ actual, predicted, count }) => ({ actual: name(actual), predicted: name(predicted), count })),
    mistakes: mistakes.map(({ index, wrong, actual, predicted }) => ({
      file: files.file(index),
      wrong,
      ...(actual !== undefined && { actual: name(actual), predicted: name(predicted!) }),
    })),
  };
}
