/**
 * What the files of a folder are, by their paths: `cats/1.jpg` is a cat; `images/1.jpg` is a picture whose pixels have the
 * classes of `masks/1.png`. Above either there may be `train/`, and `val/` or `test/`.
 */
import { listNames, MobileNetError } from '../../base/errors.js';
import type { FolderFile } from './files.js';

/** What pictures are labeled for. */
export type FolderTask = 'classify' | 'segment';

/** A picture before it was opened. */
export interface Entry {
  picture: FolderFile;
  /** The folder it lies in; empty where pixels have classes. */
  label: string;
  mask?: FolderFile;
}

/** What was found. */
export interface Layout {
  /** To train with, or all there are where `test` is null. */
  train: Entry[];
  /** To evaluate with. */
  test: Entry[] | null;
  /** The folder of `test`. */
  testFolder?: string;
  /** Pictures that have no class or no mask, and why. */
  problems: FolderProblem[];
  /** Files that are no pictures. */
  others: number;
}

/** A file that is left out. */
export interface FolderProblem {
  file: string;
  reason: string;
}

const PICTURE = /\.(png|jpe?g|webp|gif|avif|bmp)$/i;
const TRAIN = /^train(ing)?$/i;
/** What is evaluated during a training, before what is kept for its end. */
const TEST = [/^(val|valid|validation|dev|eval)$/i, /^test(ing)?$/i];

/** @param evaluates takes `test/` before `val/`, and needs no `train/` */
export function readLayout(files: readonly FolderFile[], task: FolderTask, evaluates: boolean): Layout {
  const pictures = files.filter(({ path }) => PICTURE.test(path));
  const tops = [...new Set(pictures.filter(({ path }) => path.includes('/')).map(({ path }) => topOf(path)))];
  const train = tops.find((name) => TRAIN.test(name) && isDeep(pictures, name, task));
  const kinds = evaluates ? [...TEST].reverse() : TEST;
  const test = kinds.flatMap((kind) => tops.filter((name) => kind.test(name) && isDeep(pictures, name, task)))[0];
  const others = files.length - pictures.length;
  const problems: FolderProblem[] = [];
  const read = (name?: string) => {
    const inside = name === undefined ? pictures.map((file) => ({ file, path: file.path })) : below(pictures, name);
    return task === 'segment' ? readMasks(inside, problems) : readClasses(inside, problems);
  };
  if (train === undefined && !(evaluates && test !== undefined)) {
    return { train: read(), test: null, problems, others };
  }
  const split = test === undefined ? { test: null } : { test: read(test), testFolder: test };
  return { train: train === undefined || evaluates ? [] : read(train), ...split, problems, others };
}

const topOf = (path: string): string => path.slice(0, path.indexOf('/'));

/** A file that is named from a folder below. */
interface Inside {
  file: FolderFile;
  path: string;
}

const below = (files: readonly FolderFile[], folder: string): Inside[] =>
  files
    .filter(({ path }) => path.startsWith(`${folder}/`))
    .map((file) => ({ file, path: file.path.slice(folder.length + 1) }));

/** A folder of a class may be called `test` too; then there are no folders in it. */
function isDeep(pictures: readonly FolderFile[], folder: string, task: FolderTask): boolean {
  const inside = below(pictures, folder);
  return task === 'segment'
    ? inside.some(({ path }) => path.startsWith(IMAGES))
    : inside.some(({ path }) => path.includes('/'));
}

function readClasses(files: readonly Inside[], problems: FolderProblem[]): Entry[] {
  const entries: Entry[] = [];
  for (const { file: picture, path } of files) {
    if (path.includes('/')) entries.push({ picture, label: topOf(path) });
    else problems.push({ file: picture.path, reason: 'lies in no folder, so it has no class' });
  }
  return entries;
}

const IMAGES = 'images/';
const MASKS = 'masks/';
/** The path below `images/` or `masks/`, without the extension. */
const stemOf = (path: string): string => path.slice(path.indexOf('/') + 1).replace(/\.[^.]*$/, '');

function readMasks(files: readonly Inside[], problems: FolderProblem[]): Entry[] {
  const masks = new Map(
    files.filter(({ path }) => path.startsWith(MASKS)).map(({ file, path }) => [stemOf(path), file]),
  );
  const entries: Entry[] = [];
  for (const { file: picture, path } of files) {
    if (!path.startsWith(IMAGES)) continue;
    const mask = masks.get(stemOf(path));
    if (mask === undefined) problems.push({ file: picture.path, reason: `has no mask ${MASKS}${stemOf(path)}.png` });
    else entries.push({ picture, label: '', mask });
    masks.delete(stemOf(path));
  }
  for (const { path } of masks.values()) problems.push({ file: path, reason: `has no picture in ${IMAGES}` });
  return entries;
}

/** The classes of pictures that lie in folders; in the order of their letters, as torchvision and `datasets` number them. */
export function classesOf({ train, test }: Layout): string[] {
  return [...new Set([...train, ...(test ?? [])].map(({ label }) => label))].sort((a, b) => (a < b ? -1 : 1));
}

/** @throws MobileNetError ARG for a class that is not among those of the model, or of the training pictures */
export function checkClasses(labels: readonly string[], found: readonly string[], where: string): void {
  const unknown = found.filter((label) => !labels.includes(label));
  if (unknown.length === 0) return;
  throw new MobileNetError(
    'ARG',
    `${where}: expected a folder for each class, ${listNames(labels, 8)}, got ${listNames(unknown, 8)} too; rename or remove ${unknown.length === 1 ? 'it' : 'them'}`,
    { names: unknown },
  );
}
