/** Flags that several commands share, and how their values are read. Commander turns a refusal into exit code 2. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEVICES, type Device } from '../models/runtime/choose.js';
import type { Format } from './output.js';

export interface CommonFlags {
  device: Device;
  memory: 'fast' | 'low';
  json?: true;
  debug?: true;
}

export interface PictureFlags extends CommonFlags {
  model?: string;
  revision?: string;
  threads: number | 'auto';
  ndjson?: true;
  quiet?: true;
}

export const formatOf = ({ json, ndjson }: PictureFlags): Format => (json ? 'json' : ndjson ? 'ndjson' : 'text');

/** `--help` shows examples below the options. */
export function examples(command: Command, lines: readonly string[]): void {
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ mobilenet-v2 ${line}`).join('\n')}`);
}

/** The model of `classify` where none is named. */
export const SHIPPED_CLASSIFIER = 'the one that ships with this program, which knows 19 breeds of dogs';

export const modelOption = (description: string): Option => new Option('--model <model>', description);

export const revisionOption = (): Option =>
  new Option('--revision <revision>', 'of a model of the hub: branch, tag or commit (default: main)');

export const cacheDirOption = (): Option =>
  new Option('--cache-dir <dir>', "where models are kept (default: where Python's huggingface_hub keeps them)");

export const deviceOption = (): Option =>
  new Option('--device <device>', 'where to compute').choices(DEVICES).default('auto');

export const memoryOption = (): Option =>
  new Option('--memory <mode>', 'low needs less of it, fast may use more').choices(['fast', 'low']).default('fast');

export const threadsOption = (description: string): Option =>
  new Option('--threads <n>', description).argParser(threads).default('auto');

export const debugOption = (): Option => new Option('--debug', 'show where an error comes from');

export const batchSizeOption = (): Option =>
  new Option('--batch-size <n>', 'pictures that go through the network together')
    .argParser(wholeNumber(1, 1024))
    .default(1);

export const sizeOption = (): Option =>
  new Option('--size <HxW>', 'height and width of the input, such as 224x224').argParser(heightWidth);

/** What every command over pictures ends its options with. */
export function addCommonOptions(command: Command): void {
  command
    .addOption(deviceOption())
    .addOption(revisionOption())
    .addOption(threadsOption('threads to decode and compute with'))
    .addOption(memoryOption())
    .addOption(new Option('--json', 'print one JSON array').conflicts('ndjson'))
    .addOption(new Option('--ndjson', 'print a line of JSON for every picture, as it is done'))
    .option('-q, --quiet', 'no progress bar, no remarks')
    .addOption(debugOption());
}

/** A parser for a whole number within bounds. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  };
}

const MOST_THREADS = 64;

function threads(text: string): number | 'auto' {
  return text === 'auto' ? text : wholeNumber(1, MOST_THREADS)(text);
}

/** A parser for what is written to: `--out --json` forgot the name, and a folder called `--json` is hard to be rid of. */
export function outputPath(text: string): string {
  if (!text.startsWith('-')) return text;
  throw new InvalidArgumentError(`Expected a path, and this looks like an option; ./${text} is a path.`);
}

/** A parser for a fraction from 0 to 1. */
export function fraction(text: string): number {
  const value = /^(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (value <= 1) return value;
  throw new InvalidArgumentError('Expected a number from 0 to 1.');
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
