/** The values of the image processor's options: what each may be, and its short forms written out. */
import { env } from '../base/env.js';
import { Resampling, type ResamplingNumber, resamplingNumber } from '../images/resize/filters.js';

/** How large a picture becomes, in pixels. The last two forms keep its proportions, as `shortest_edge` does. */
export type Size =
  | { shortest_edge: number }
  | { height: number; width: number }
  | { shortest_edge: number; longest_edge: number }
  | { max_height: number; max_width: number };

/** Where the channels of a tensor are: [C,H,W] or [H,W,C]. */
export type ChannelFormat = 'channels_first' | 'channels_last';

/** Throws; called with what would have been right. */
export type Reject = (expected: string) => never;

/** Null turns a step off, as None does in transformers. */
export function parseSwitch(value: unknown, reject: Reject): boolean {
  return value === null ? false : parseBoolean(value, reject);
}

export function parseBoolean(value: unknown, reject: Reject): boolean {
  return typeof value === 'boolean' ? value : reject('true or false');
}

export function parseNumber(value: unknown, reject: Reject): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : reject('a finite number');
}

export function parsePerChannel(value: unknown, reject: Reject): number | readonly number[] {
  const expected = 'a number, or one for each channel (1, 3 or 4)';
  if (!Array.isArray(value)) return parseNumber(value, () => reject(expected));
  if (![1, 3, 4].includes(value.length)) return reject(expected);
  return value.map((one) => parseNumber(one, () => reject(expected)));
}

/** What float32 rounds to 0 divides by 0 just the same. */
export function parseDeviation(value: unknown, reject: Reject): number | readonly number[] {
  const deviation = parsePerChannel(value, reject);
  if ([deviation].flat().some((one) => Math.fround(one as number) === 0)) return reject('numbers other than 0');
  return deviation;
}

export function parseResample(value: unknown, reject: Reject): ResamplingNumber {
  return resamplingNumber(value) ?? reject(`0 to 5 or one of ${Object.keys(Resampling).join(', ')}`);
}

export function parseFormat(value: unknown, reject: Reject): ChannelFormat {
  if (value === 'channels_first' || value === 'channels_last') return value;
  return reject("'channels_first' or 'channels_last'");
}

/** The sets of fields a size may have. transformers accepts two more, with which it then cannot resize. */
const SIZE_FIELDS = ['shortest_edge', 'height,width', 'longest_edge,shortest_edge', 'max_height,max_width'];

/** @param square whether a single number means a square, not the shortest edge */
export function parseSize(value: unknown, reject: Reject, square: boolean): Size {
  const expected = `a number of pixels, [height, width] or an object of ${SIZE_FIELDS.join(' | ')}`;
  if (typeof value === 'number' && !square) return { shortest_edge: parsePixels(value, reject) };
  return parseSizeObject(value, SIZE_FIELDS, expected, reject) as Size;
}

export function parseCropSize(value: unknown, reject: Reject): { height: number; width: number } {
  const expected = 'a number of pixels, [height, width] or { height, width }';
  return parseSizeObject(value, ['height,width'], expected, reject) as { height: number; width: number };
}

function parseSizeObject(value: unknown, fieldSets: string[], expected: string, reject: Reject): object {
  if (typeof value === 'number') value = { height: value, width: value };
  if (Array.isArray(value)) {
    if (value.length !== 2) return reject(expected);
    value = { height: value[0], width: value[1] };
  }
  if (typeof value !== 'object' || value === null) return reject(expected);
  const fields = Object.entries(value).filter(([, size]) => size !== null && size !== undefined);
  const names = fields.map(([name]) => name).sort();
  if (!fieldSets.includes(names.join())) return reject(expected);
  return Object.fromEntries(fields.map(([name, size]) => [name, parsePixels(size, reject)]));
}

/** No edge of an allowed picture can be longer than a picture's most pixels. */
function parsePixels(value: unknown, reject: Reject): number {
  const most = env.limits.imagePixels;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  return reject(`whole pixels from 1 to ${most}`);
}
