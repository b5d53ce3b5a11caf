/**
 * From what stands on the command line to a list of pictures. Nothing is opened here: a picture that is missing, not
 * readable or gone by the time it is its turn fails alone, when it is loaded.
 */
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { Argument } from 'commander';
import { listNames, show } from '../base/errors.js';
import { env, load_image, MobileNetError, type RawImage } from '../node.js';
import { UsageError } from './errors.js';

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

/** `img2` before `img10`. */
const { compare } = new Intl.Collator('en', { numeric: true });

export const picturesArgument = (): Argument =>
  new Argument('[pictures...]', 'files, folders, globs in quotes, URLs, or - for a picture on standard input');

const fromFile = (file: string): Picture => ({ file, anywhere: true, load: () => load_image(file) });

/**
 * @param command named in the hint
 * @param inputs files, folders, globs, URLs, and `-` for standard input, in the order the results will have
 * @throws UsageError when there is not one picture
 */
export async function inputPictures(
  command: string,
  inputs: readonly string[],
  { quiet }: { quiet?: true },
): Promise<Picture[]> {
  if (inputs.length === 0) throw new UsageError(`no pictures given; mobilenet-v2 ${command} --help shows how`);
  if (inputs.filter((input) => input === STANDARD_INPUT).length > 1) {
    throw new UsageError('- stands for standard input and can be given once');
  }
  const pictures: Picture[] = [];
  const empty: string[] = [];
  for (const input of inputs) {
    const found = await expand(input);
    if (found.length === 0) empty.push(input);
    for (const picture of found) pictures.push(picture);
  }
  if (pictures.length === 0) {
    const where = listNames(empty.map((input) => show(input)));
    throw new UsageError(`no pictures (.png, .jpg, .jpeg) in ${where}; mobilenet-v2 ${command} --help shows how`);
  }
  if (!quiet) for (const input of empty) process.stderr.write(`mobilenet-v2: no pictures in ${show(input)}\n`);
  return pictures;
}

async function expand(input: string): Promise<Picture[]> {
  if (input === STANDARD_INPUT) return [{ file: STANDARD_INPUT, anywhere: false, load: loadStandardInput }];
  if (isUrl(input)) return [fromFile(input)];
  const found = await stat(input).catch(() => null);
  if (found?.isDirectory()) return picturesIn(input);
  // Brackets and stars may be part of a name, so a file of that very name comes first.
  return found === null ? matchesOf(input) : [fromFile(input)];
}

/** All pictures below a folder. A folder that cannot be listed becomes one failing entry. Hidden ones are left out. */
async function picturesIn(top: string): Promise<Picture[]> {
  const pictures: Picture[] = [];
  const visited = new Set<string>();
  const visit = async (folder: string): Promise<void> => {
    try {
      // By its real path, so that a symbolic link to a folder above is no way into a circle.
      const real = await realpath(folder);
      if (visited.has(real)) return;
      visited.add(real);
      const entries = await readdir(folder, { withFileTypes: true });
      for (const entry of entries.sort((a, b) => compare(a.name, b.name))) {
        if (entry.name.startsWith('.')) continue;
        const path = join(folder, entry.name);
        const target = entry.isSymbolicLink() ? await stat(path).catch(() => null) : entry;
        if (target?.isDirectory()) await visit(path);
        // A pipe or device among files would be waited for; a link to nowhere is worth an error.
        else if (PICTURE_NAME.test(entry.name) && target?.isFile() !== false) pictures.push(fromFile(path));
      }
    } catch (error) {
      pictures.push({ file: folder, anywhere: false, load: () => Promise.reject(error) });
    }
  };
  await visit(top);
  return pictures;
}

/** All pictures that a glob means; what is no glob is a picture that is not there. */
async function matchesOf(pattern: string): Promise<Picture[]> {
  const { glob, isDynamicPattern } = await import('tinyglobby'); // 10 ms
  if (!isDynamicPattern(pattern)) return [fromFile(pattern)];
  const files = await glob(pattern, { expandDirectories: false, absolute: isAbsolute(pattern) });
  // Links to folders can lead to the same picture many times; the shortest way to it counts.
  const known = new Set<string>();
  const pictures: Picture[] = [];
  for (const file of files.sort((a, b) => a.split('/').length - b.split('/').length || compare(a, b))) {
    if (!PICTURE_NAME.test(file)) continue;
    const key = join(await realpath(dirname(file)).catch(() => dirname(file)), basename(file));
    if (!known.has(key)) pictures.push(fromFile(file));
    known.add(key);
  }
  return pictures.sort((a, b) => compare(a.file, b.file));
}

async function loadStandardInput(): Promise<RawImage> {
  const chunks: Buffer<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer<ArrayBuffer>>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > env.limits.imageBytes) {
      throw new MobileNetError('LIMIT', `${STANDARD_INPUT}: more than ${env.limits.imageBytes} bytes for one picture`, {
        file: STANDARD_INPUT,
      });
    }
  }
  return load_image(new File(chunks, STANDARD_INPUT));
}
