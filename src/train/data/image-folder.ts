/**
 * A folder of pictures with labels as two datasets, to train with and to evaluate with. All is read once: what is broken is
 * reported and left out, what is nearly the same as another picture is found, and pixels are kept as bytes as far as memory may
 * be taken.
 */
import { checkSignal, unlessAborted, yieldToEvents } from '../../base/abort.js';
import { expected, MobileNetError } from '../../base/errors.js';
import { checkOptions } from '../../base/options.js';
import { MobileNetV2ImageProcessor } from '../../processors/image-processor.js';
import type { Augmentation } from './augment.js';
import { type FolderSource, filesOf } from './files.js';
import { ImageDataset, type Part } from './image-dataset.js';
import {
  checkClasses,
  classesOf,
  type Entry,
  type FolderProblem,
  type FolderTask,
  type Layout,
  readLayout,
} from './layout.js';
import { differenceHash, groupsOf, nearPairs, type Pair } from './near-duplicates.js';
import { PictureReader } from './reader.js';
import { splitEntries } from './split.js';

/** How a folder is read. */
export interface ImageFolderOptions {
  /** Of the checkpoint: what pictures are evaluated with, and what size they are trained at. */
  processor: MobileNetV2ImageProcessor;
  /** `classify`: folders are classes; `segment`: `images/` and `masks/`. Default `classify`. */
  task?: FolderTask;
  /** Names of the classes in the order of their numbers. Unless given, the folders; of masks, `LABEL_0` and so on. */
  labels?: readonly string[] | undefined;
  /** What is to differ from the usual: crops of 40 % of the picture and more, half of them mirrored, colors as they are. Null for pictures
   * as they are evaluated. */
  augmentation?: Partial<Augmentation> | null;
  /** Share of the pictures of each class that is kept to evaluate with, where the folder has no `val` or `test`. Default 0.2. */
  testShare?: number;
  /**
   * What a picture is a part of, by its path: frames of one recording, pictures of one thing. Those are learned or evaluated together,
   * as are pictures that are nearly the same. A class that is a single recording is cut: its end is evaluated.
   */
  partOf?: ((path: string) => string | undefined) | undefined;
  /** Reads only what is evaluated with: `test` or `val`, or all that there is. */
  onlyTest?: boolean;
  /** Of the split. Default 42. */
  seed?: number;
  /** Bytes of pixels that may be kept; pictures beyond them are decoded each time anew. Default 512 MiB. */
  memoryBytes?: number;
  signal?: AbortSignal | undefined;
  /** Called after each picture. */
  progress_callback?: ((progress: FolderProgress) => void) | undefined;
}

/** How far the reading has come. */
export interface FolderProgress {
  pictures: number;
  total: number;
}

/**
 * Unless told otherwise. torchvision's crops keep from 8 % of a picture on; of few pictures, 40 % teaches more. Colors stay.
 */
const AUGMENTATION: Augmentation = {
  scale: [0.4, 1],
  ratio: [3 / 4, 4 / 3],
  flip: 0.5,
  brightness: 0,
  contrast: 0,
  saturation: 0,
};

/** Two files that are nearly the same picture. */
export interface NearDuplicate {
  files: readonly [string, string];
  /** Of 256 bits of their hashes, how many differ: 0 to 10. */
  distance: number;
  /** One is trained with, the other evaluated: figures are too good. */
  leaks: boolean;
  /** They have different classes: one is probably wrong. */
  contradicts: boolean;
}

const NAMES = [
  ...['processor', 'task', 'labels', 'augmentation', 'testShare', 'onlyTest', 'seed', 'memoryBytes'],
  ...['partOf', 'signal', 'progress_callback'],
];

const MEMORY_BYTES = 512 * 1024 * 1024;

/** Pictures in folders. */
export class ImageFolder {
  readonly train: ImageDataset;
  readonly test: ImageDataset;
  /** Names of the classes by their numbers. */
  readonly id2label: Readonly<Record<number, string>>;
  /** Files that are left out, and why. */
  readonly problems: readonly FolderProblem[];
  /** Pairs that are nearly the same. */
  readonly nearDuplicates: readonly NearDuplicate[];
  /** The folder that `test` is, or undefined where it was split off. */
  readonly testFolder: string | undefined;

  private constructor(
    parts: Pick<ImageFolder, 'train' | 'test' | 'id2label' | 'problems' | 'nearDuplicates' | 'testFolder'>,
  ) {
    this.train = parts.train;
    this.test = parts.test;
    this.id2label = parts.id2label;
    this.problems = parts.problems;
    this.nearDuplicates = parts.nearDuplicates;
    this.testFolder = parts.testFolder;
  }

  /**
   * Reads a folder: `cats/1.jpg`, or `images/1.jpg` and `masks/1.png`; above them there may be `train/` and `val/` or `test/`.
   * Masks have the number of a class in every pixel (a palette's index counts, not its color); 255 is no class.
   *
   * @throws MobileNetError NOT_FOUND or IO for a folder that cannot be read, ARG for one without pictures in folders
   */
  static async open(source: FolderSource, options: ImageFolderOptions): Promise<ImageFolder> {
    const settings = checkFolderOptions(options);
    const { task, onlyTest, signal } = settings;
    const name = typeof source === 'string' ? source : 'folder';
    const files = await unlessAborted(filesOf(source), signal);
    const layout = readLayout(files, task, onlyTest);
    if (onlyTest && layout.test === null) [layout.test, layout.train] = [layout.train, []];
    const labels = task === 'classify' ? labelsOf(layout, settings.labels, name) : settings.labels;
    if (layout.train.length + (layout.test?.length ?? 0) === 0) throw noPictures(name, task, layout);
    const reader = new PictureReader(settings, labels);
    const read = await readAll([...layout.train, ...(layout.test ?? [])], reader, settings, layout.problems);
    if (read.entries.length === 0) throw noPictures(name, task, layout);
    const given = new Set(layout.test);
    const split =
      layout.test === null
        ? splitEntries(
            read.entries,
            groupsOf(read.entries.length, [...read.pairs, ...linksOf(read.entries, settings)]),
            settings,
          )
        : read.entries.map((entry) => given.has(entry));
    const names = labels ?? Array.from({ length: reader.classes }, (_, i) => `LABEL_${i}`);
    const id2label = Object.fromEntries(names.map((label, i) => [i, label]));
    const part = (test: boolean): Part => ({
      entries: read.entries.filter((_, i) => split[i] === test),
      reader,
      id2label,
      augmentation: test ? null : settings.augmentation,
    });
    // `this`: esbuild gives a class that names itself in its own body another name
    return new this({
      train: new ImageDataset(part(false)),
      test: new ImageDataset(part(true)),
      id2label,
      problems: layout.problems,
      nearDuplicates: read.pairs.map((pair) => describe(pair, read.entries, split)),
      testFolder: layout.testFolder,
    });
  }
}

export type FolderSettings = ReturnType<typeof checkFolderOptions>;

function checkFolderOptions(options: ImageFolderOptions) {
  checkOptions(options, NAMES, 'ImageFolder');
  const { processor, task = 'classify', testShare = 0.2, onlyTest = false, seed = 42 } = options;
  const { augmentation = {}, memoryBytes = MEMORY_BYTES } = options;
  if (!(processor instanceof MobileNetV2ImageProcessor)) {
    throw expected('processor', 'a MobileNetV2ImageProcessor', processor);
  }
  if (task !== 'classify' && task !== 'segment') throw expected('task', "'classify' or 'segment'", task);
  if (!(testShare >= 0 && testShare < 1)) throw expected('testShare', 'a number from 0, less than 1', testShare);
  if (!(memoryBytes >= 0)) throw expected('memoryBytes', 'a number of bytes', memoryBytes);
  if (!Number.isSafeInteger(seed)) throw expected('seed', 'a whole number', seed);
  if (options.partOf !== undefined && typeof options.partOf !== 'function') {
    throw expected('partOf', 'a function of a path', options.partOf);
  }
  checkSignal(options.signal);
  return {
    ...{ processor, task, labels: options.labels, testShare, onlyTest, seed, memoryBytes },
    augmentation: augmentation === null ? null : checkAugmentation({ ...AUGMENTATION, ...augmentation }),
    ...{ signal: options.signal, progress_callback: options.progress_callback, partOf: options.partOf },
  };
}

function checkAugmentation(augmentation: Augmentation): Augmentation {
  checkOptions(augmentation, Object.keys(AUGMENTATION), 'augmentation');
  const { scale, ratio, flip } = augmentation;
  const isRange = ([low, high]: readonly number[], most: number) => low! > 0 && low! <= high! && high! <= most;
  if (!isRange(scale, 1))
    throw expected('scale', 'two shares of the area, above 0 and up to 1, the lower first', scale);
  if (!isRange(ratio, 100)) throw expected('ratio', 'two ratios of width to height, the lower first', ratio);
  if (!(flip >= 0 && flip <= 1)) throw expected('flip', 'a number from 0 to 1', flip);
  for (const name of ['brightness', 'contrast', 'saturation'] as const) {
    const strength = augmentation[name];
    if (!(strength >= 0 && strength < 10)) throw expected(name, 'a number from 0, less than 10', strength);
  }
  return augmentation;
}

/** ImageNet's labels have several names, `malamute, malemute, Alaskan malamute`; a folder may have the first. */
const fullName = (label: string, labels: readonly string[]): string =>
  labels.includes(label) ? label : (labels.find((each) => each.split(',')[0] === label) ?? label);

function labelsOf(layout: Layout, labels: readonly string[] | undefined, name: string): readonly string[] {
  for (const entry of [...layout.train, ...(layout.test ?? [])]) entry.label = fullName(entry.label, labels ?? []);
  const found = classesOf(layout);
  if (labels === undefined) {
    const trained = layout.test === null ? found : classesOf({ ...layout, test: null });
    if (trained.length > 0) checkClasses(trained, found, name);
    return found;
  }
  checkClasses(labels, found, name);
  return labels;
}

function noPictures(name: string, task: FolderTask, { problems, others }: Layout): MobileNetError {
  const wanted =
    task === 'segment'
      ? 'pictures in images/ and as many masks in masks/ (PNG)'
      : 'a folder of pictures for each class, as cats/1.jpg';
  const [first] = problems;
  const got =
    first === undefined
      ? `${others} files of other kinds`
      : `${problems.length} that cannot be used: ${first.file} ${first.reason}`;
  return new MobileNetError('ARG', `${name}: expected ${wanted}, got ${got}`, {
    names: problems.map(({ file }) => file),
  });
}

/** Opens every picture, and finds those that are nearly the same. */
async function readAll(
  entries: readonly Entry[],
  reader: PictureReader,
  { signal, progress_callback }: FolderSettings,
  problems: FolderProblem[],
): Promise<{ entries: Entry[]; pairs: Pair[] }> {
  const good: Entry[] = [];
  const hashes: Uint32Array[] = [];
  for (const [i, entry] of entries.entries()) {
    if (signal !== undefined) await yieldToEvents(signal); // decoding holds the thread
    try {
      hashes.push(differenceHash(await reader.open(entry)));
      good.push(entry);
    } catch (error) {
      if (!(error instanceof MobileNetError)) throw error;
      problems.push({ file: entry.picture.path, reason: reasonOf(error, entry) });
    }
    progress_callback?.({ pictures: i + 1, total: entries.length });
  }
  return { entries: good, pairs: nearPairs(hashes) };
}

/** Pictures that belong together, each to the first of them. */
function linksOf(entries: readonly Entry[], { partOf }: FolderSettings): { first: number; second: number }[] {
  const firsts = new Map<string, number>();
  return [...entries.entries()].flatMap(([second, { picture }]) => {
    const whole = partOf?.(picture.path);
    if (whole === undefined) return [];
    const first = firsts.get(whole) ?? second;
    firsts.set(whole, first);
    return [{ first, second }];
  });
}

/** Most messages begin with the file, which is named beside them anyway. */
function reasonOf({ message }: MobileNetError, { picture }: Entry): string {
  return message.startsWith(`${picture.path}: `) ? message.slice(picture.path.length + 2) : message;
}

function describe(
  { first, second, distance }: Pair,
  entries: readonly Entry[],
  split: readonly boolean[],
): NearDuplicate {
  const [a, b] = [entries[first]!, entries[second]!];
  return {
    files: [a.picture.path, b.picture.path],
    distance,
    leaks: split[first] !== split[second],
    contradicts: a.label !== b.label,
  };
}
