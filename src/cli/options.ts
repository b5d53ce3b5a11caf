/** Flags that several commands share, and how their values are read. Commander turns a refusal into exit code 2. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEVICES, type Device, MAX_THREADS } from '../runtime/engines/make.js';
import { type LimitFlags, limitOption } from './limits.js';
import { FORMATS, type Format } from './output.js';

/** Which model is loaded, and how. */
export interface ModelFlags extends LimitFlags {
  model?: string;
  revision?: string;
  cacheDir?: string;
  localFilesOnly?: true;
  token?: boolean;
  strict?: boolean;
  allowNonfinite?: true;
  quiet?: true;
}

export interface CommonFlags extends ModelFlags {
  device: Device;
  memory: 'fast' | 'low';
  threads: number | 'auto';
  json?: true;
  debug?: true;
}

export interface PictureFlags extends CommonFlags {
  filesFrom?: string;
  format?: Format;
  ndjson?: true;
  verbose?: true;
}

export const formatOf = ({ format, json, ndjson }: PictureFlags): Format =>
  format ?? (json ? 'json' : ndjson ? 'ndjson' : 'table');

/** `--help` shows examples below the options. */
export function examples(command: Command, lines: readonly string[]): void {
  command.addHelpText(
    'after',
    `\nExamples:\n${lines.map((line) => `  $ ${line.includes(' | ') ? line : `mobilenet-v2 ${line}`}`).join('\n')}`,
  );
}

/** The models of commands where none is named. */
export const SHIPPED_MODEL = 'the classifier shipped';
export const SHIPPED_SEGMENTER = 'the segmenter shipped';

export const modelOption = (description: string): Option => new Option('-m, --model <model>', description);

export const revisionOption = (): Option =>
  new Option('--revision <revision>', 'branch, tag or commit on the hub (default: main)');

export const cacheDirOption = (): Option =>
  new Option('--cache-dir <dir>', 'where downloads are kept (default: as in Python)');

export const topKOption = (description: string): Option =>
  new Option('-k, --top-k <n>', description).argParser(wholeNumber(1, 1_000_000));

export const thresholdOption = (description: string): Option =>
  new Option('-t, --threshold <0-1>', description).argParser(fraction);

export const sizeOption = (): Option =>
  new Option('--size <HxW>', 'height and width of the input, such as 224x224').argParser(heightWidth);

export const batchSizeOption = (): Option =>
  new Option('-b, --batch-size <n>', 'pictures computed together').argParser(wholeNumber(1, 1024)).default(1);

/** How a model is found and loaded, beside its name. */
export function addModelOptions(command: Command, { weights = true } = {}): Command {
  command
    .optionsGroup('Options for the model:')
    .addOption(revisionOption())
    .addOption(cacheDirOption())
    .option('--local-files-only', 'download nothing')
    .option('--no-token', 'send no token to the hub');
  if (!weights) return command;
  return command
    .option('--no-strict', 'load weights though some are missing or left over')
    .option('--allow-nonfinite', 'load weights that hold NaN or infinity');
}

/** What it is computed with. */
export function addComputeOptions(command: Command, { threads: what = 'threads to compute with' } = {}): Command {
  return command
    .optionsGroup('Options for computing:')
    .addOption(new Option('-d, --device <device>', 'engine').choices(DEVICES).default('auto'))
    .addOption(new Option('-j, --threads <n>', what).argParser(threads).default('auto'))
    .addOption(
      new Option('--memory <mode>', 'be fast, or use little: fast, low').choices(['fast', 'low']).default('fast'),
    );
}

/** What every command ends its options with. */
export function addLastOptions(command: Command): Command {
  return command
    .optionsGroup('Other options:')
    .addOption(limitOption())
    .option('--debug', 'show where in the program an error arose')
    .helpOption('-h, --help', 'show this help');
}

/** What every command over pictures ends its options with. */
export function addCommonOptions(command: Command): void {
  command
    .optionsGroup('Options for input and output:')
    .option('--files-from <file>', "file of pictures' names, a line or NUL each; - is stdin")
    .addOption(
      new Option('-f, --format <format>', 'table (default), lines, csv, json or ndjson')
        .choices(FORMATS)
        .conflicts(['json', 'ndjson']),
    )
    .addOption(new Option('--json', 'the same as --format json: one array').conflicts('ndjson'))
    .option('--ndjson', 'the same as --format ndjson: a line of JSON each')
    .option('-v, --verbose', 'name the files that are skipped')
    .option('-q, --quiet', 'no progress bar, no remarks');
  addModelOptions(command);
  addComputeOptions(command, { threads: 'threads to decode and compute with' });
  addLastOptions(command);
}

/** A parser for a whole number within bounds. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  };
}

function threads(text: string): number | 'auto' {
  return text === 'auto' ? text : wholeNumber(1, MAX_THREADS)(text);
}

/**
 * A parser for what is written to: `--out --json` forgot the name, and a folder called `--json` is hard to remove. Nor would a name
 * that is not UTF-8 be the one that was meant: Node gives U+FFFD for its bytes.
 */
export function outputPath(text: string): string {
  if (text.includes('\uFFFD')) {
    throw new InvalidArgumentError('Its name is not UTF-8, and would become another one; name it in UTF-8.');
  }
  if (!text.startsWith('-')) return text;
  throw new InvalidArgumentError(`Expected a path, and this looks like an option; ./${text} is a path.`);
}

/** A parser for a share: a number from 0 to 1, or percent as results show it. */
export function fraction(text: string): number {
  const [, number, percent] = /^(\d+(?:\.\d*)?|\.\d+)\s*(%?)$/.exec(text) ?? [];
  const value = percent ? Number(number) / 100 : Number(number);
  if (value <= 1) return value;
  throw new InvalidArgumentError('Expected a number from 0 to 1, or percent such as 50%.');
}

/** `224x320` (or `224`, a square) as [height, width]. */
export function heightWidth(text: string): [height: number, width: number] {
  const [, height, width = height] = /^(\d{1,5})(?:[x×](\d{1,5}))?$/i.exec(text) ?? [];
  if (Number(height) >= 1 && Number(width) >= 1) return [Number(height), Number(width)];
  throw new InvalidArgumentError('Expected height and width such as 224x320, or one number for a square.');
}

/** The network has the hidden states 0 to 15, the outputs of its inverted residual blocks. */
export const LAST_HIDDEN_STATE = 15;

export const hiddenState = wholeNumber(0, LAST_HIDDEN_STATE);

/** `9,12` as numbers. */
export function hiddenStates(text: string): number[] {
  try {
    return text.split(',').map((part) => hiddenState(part.trim()));
  } catch {
    throw new InvalidArgumentError(
      `Expected numbers from 0 to ${LAST_HIDDEN_STATE} with commas between, such as 9,12.`,
    );
  }
}
