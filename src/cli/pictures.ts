/**
 * From what stands on the command line to a list of pictures. Nothing is opened here: a picture that is missing, not
 * readable or gone by the time it is its turn fails alone, when it is loaded.
 */
import { realpath } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import { Argument } from 'commander';
import { listNames, show } from '../base/errors.js';
import { env, load_image, MobileNetError, type RawImage } from '../entries/main-node.js';
import { readAny } from '../platforms/node/reading.js';
import { compareNames as compare, statOf, walk } from '../platforms/node/walk.js';
import { UsageError, unreadable } from './errors.js';
import { plural, printable } from './text.js';

export interface Picture {
  /** As the user would name it. */
  readonly file: string;
  /** Whether `file` is a path or URL, which any thread can load. */
  readonly anywhere: boolean;
  load(): Promise<RawImage>;
}

/** What folders and globs pick up. A file named by itself is read whatever it is called. */
const PICTURE_NAME = /\.(png|jpe?g)$/i;
export const STANDARD_INPUT = '-';
export const isUrl = (input: string): boolean => /^https?:\/\//i.test(input);

export const picturesArgument = (description = 'files, folders, globs in quotes, URLs, or - for stdin'): Argument =>
  new Argument('[pictures...]', description);

const fromFile = (file: string): Picture => ({ file, anywhere: true, load: () => load_image(file) });

export interface InputFlags {
  filesFrom?: string;
  quiet?: true;
  verbose?: true;
}

/** Pictures, and files of folders and globs whose names are not those of pictures. */
class Found {
  readonly pictures: Picture[] = [];
  readonly skipped: string[] = [];

  /** A file that a folder or glob came upon. */
  add(file: string): void {
    if (PICTURE_NAME.test(file)) this.pictures.push(fromFile(file));
    else this.skipped.push(file);
  }
}

/**
 * @param command named in the hint
 * @param inputs files, folders, globs, URLs, and `-` for standard input, in the order the results will have
 * @throws UsageError when there is not one picture
 */
export async function inputPictures(command: string, inputs: readonly string[], flags: InputFlags): Promise<Picture[]> {
  const { filesFrom, quiet, verbose } = flags;
  if (inputs.length === 0 && filesFrom === undefined)
    throw new UsageError(`no pictures given; mobilenet-v2 ${command} --help shows how`);
  if ([...inputs, filesFrom].filter((input) => input === STANDARD_INPUT).length > 1) {
    throw new UsageError('- stands for standard input and can be given once');
  }
  const found = new Found();
  const empty: string[] = [];
  const add = async (input: string, read: (input: string, into: Found) => Promise<void>): Promise<void> => {
    const before = found.pictures.length;
    await read(input, found);
    if (found.pictures.length === before) empty.push(input);
  };
  for (const input of inputs) await add(input, expand);
  const listed = filesFrom === undefined ? [] : await namesIn(filesFrom);
  for (const name of listed) await add(name, expandListed);
  const { pictures, skipped } = found;
  if (pictures.length === 0) {
    const where = empty.length === 0 ? `the list ${show(filesFrom)}` : listNames(empty.map((input) => show(input)));
    const others = skipped.length === 0 ? '' : `, ${describeSkipped(skipped)}`;
    throw new UsageError(
      `no pictures (.png, .jpg, .jpeg) in ${where}${others}; mobilenet-v2 ${command} --help shows how`,
    );
  }
  if (quiet) return pictures;
  const say = (text: string) => process.stderr.write(`mobilenet-v2: ${printable(text)}\n`);
  for (const input of empty) say(`no pictures in ${show(input)}`);
  if (verbose) for (const file of skipped) say(`${file}: skipped, its name does not end in .png, .jpg or .jpeg`);
  else if (skipped.length > 0) say(`skipped ${describeSkipped(skipped)}; --verbose names them`);
  return pictures;
}

/** `3 files that are not .png, .jpg or .jpeg (2 .txt, 1 .webp)`. */
function describeSkipped(files: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const file of files) {
    const kind = extname(file).toLowerCase() || 'without an extension';
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const kinds = [...counts].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${count} ${kind}`);
  return `${plural(files.length, 'file')} that ${files.length === 1 ? 'is' : 'are'} not .png, .jpg or .jpeg (${listNames(kinds, 5)})`;
}

/** The names in a list as `find`, `ls` and `git ls-files` print it: one a line, or NUL between where there is one. */
async function namesIn(list: string): Promise<string[]> {
  const bytes = list === STANDARD_INPUT ? await readStandardInput(MOST_LIST_BYTES) : await readList(list);
  const text = new TextDecoder().decode(bytes);
  const names = text.includes('\0') ? text.split('\0') : text.split(/\r?\n/);
  return names.filter((name) => name !== '');
}

const MOST_LIST_BYTES = 2 ** 28;

async function readList(file: string): Promise<Uint8Array> {
  try {
    return await readAny(file, file, MOST_LIST_BYTES);
  } catch (error) {
    if ((error as MobileNetError).code === 'LIMIT') {
      throw new UsageError(`--files-from: ${file}: more than ${MOST_LIST_BYTES} bytes of names`);
    }
    throw unreadable('--files-from', file, error);
  }
}

async function expand(input: string, into: Found): Promise<void> {
  if (input === STANDARD_INPUT) into.pictures.push({ file: STANDARD_INPUT, anywhere: false, load: loadStandardInput });
  // Brackets and stars may be part of a name, so a file of that very name comes first.
  else if (isUrl(input) || (await statOf(input)) !== null) await expandListed(input, into);
  else await matchesOf(input, into);
}

/** A line of a list: a file, folder or URL, and never a pattern. */
async function expandListed(input: string, into: Found): Promise<void> {
  const folder = !isUrl(input) && (await statOf(input))?.isDirectory();
  if (folder) await picturesIn(input, into);
  else into.pictures.push(fromFile(input));
}

/** All pictures below a folder. A folder that cannot be listed becomes one failing entry. */
async function picturesIn(top: string, into: Found): Promise<void> {
  for await (const { path, error } of walk(top)) {
    if (error === undefined) into.add(path);
    else into.pictures.push({ file: path, anywhere: false, load: () => Promise.reject(error) });
  }
}

/** All pictures that a glob matches; a path without wildcards is taken as a picture that is missing. */
async function matchesOf(pattern: string, into: Found): Promise<void> {
  const { glob, isDynamicPattern } = await import('tinyglobby'); // 10 ms
  if (!isDynamicPattern(pattern)) return void into.pictures.push(fromFile(pattern));
  const files = await glob(pattern, { expandDirectories: false, absolute: isAbsolute(pattern) });
  // Links to folders can lead to the same picture many times; the shortest way to it counts.
  const known = new Set<string>();
  const once: string[] = [];
  for (const file of files.sort((a, b) => a.split('/').length - b.split('/').length || compare(a, b))) {
    const key = join(await realpath(dirname(file)).catch(() => dirname(file)), basename(file));
    if (!known.has(key)) once.push(file);
    known.add(key);
  }
  for (const file of once.sort(compare)) into.add(file);
}

async function loadStandardInput(): Promise<RawImage> {
  const bytes = await readStandardInput(env.limits.imageBytes, 'for one picture; raise env.limits.imageBytes');
  return load_image(new File([bytes], STANDARD_INPUT));
}

/** @param remark on what is longer */
async function readStandardInput(most: number, remark = ''): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > most) {
      throw new MobileNetError('LIMIT', `${STANDARD_INPUT}: more than ${most} bytes ${remark}`, {
        file: STANDARD_INPUT,
      });
    }
  }
  return new Uint8Array(Buffer.concat(chunks));
}
