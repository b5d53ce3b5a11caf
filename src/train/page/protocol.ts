/** What a page and its worker say to each other about a training. Everything here is plain data that can be posted. */
import type { HubOptions } from '../../base/hub-options.js';
import type { Pixels } from '../../base/pixels.js';
import type { TrainingOptions } from '../arguments.js';
import type { LogEntry } from '../callbacks.js';
import type { Augmentation } from '../data/augment.js';
import type { NearDuplicate } from '../data/image-folder.js';
import type { FolderProblem } from '../data/layout.js';

/** A file that a user has chosen; or what a camera gave: an ImageBitmap, which is taken over, or pixels. */
export type PagePicture = Blob | ImageBitmap | ImageData | Pixels;

/** What is trained, and how. */
export interface PageTrainingOptions {
  /** Where training begins: an address, or `opfs:flowers` for what was trained here before. */
  model: string;
  /** Under which name the result is kept: it is loaded from `opfs:<name>`. */
  saveTo: string;
  /** As for `Trainer`. Unless given: `train: 'head'`, one checkpoint is kept, and there is a line of the log each 10 steps. */
  args?: Omit<TrainingOptions, 'output_dir'>;
  /** Goes on where a training under this name was stopped, with the same pictures. */
  resume?: boolean;
  /** Share of the pictures of each class that is kept to evaluate with. Default 0.2. */
  testShare?: number;
  /** How pictures are changed each time. Default: a head's not at all, else those of `ImageFolder`. */
  augmentation?: Partial<Augmentation> | null;
  /** Bytes of pixels that may be kept. Default 256 MiB. */
  memoryBytes?: number;
  /** Threads of the network, in a page that is cross-origin isolated. Default `auto`. */
  threads?: number | 'auto';
  /** Of the model's files, where it is one of the hub. */
  hub?: Pick<HubOptions, 'revision' | 'subfolder'>;
}

/** How far it is. */
export interface PageProgress {
  /** Pictures are decoded, then (of a head) looked at once by the network, then the steps. */
  phase: 'pictures' | 'features' | 'steps';
  /** Pictures or steps that are done, and all there are. */
  done: number;
  total: number;
  picturesPerSecond: number;
  /** Of the last line of the log, with what an evaluation found. */
  logs: LogEntry;
  /** Lines of the log since the last progress, each with its `step`: reports are fewer than the steps of a head. */
  lines: LogEntry[];
}

/** What a training in a page gave. */
export interface PageTrainingResult {
  /** Where the model is loaded from. */
  model: string;
  /** Names of the classes by their numbers. */
  id2label: Record<number, string>;
  global_step: number;
  training_loss: number;
  /** Of the pictures that were kept for it; empty without any. */
  metrics: LogEntry;
  /** Of the same pictures: rows are what they show, columns what they were taken for. Empty without any. */
  confusion: number[][];
  problems: readonly FolderProblem[];
  nearDuplicates: readonly NearDuplicate[];
}

/** What a page asks for. */
export type Request =
  | {
      id: number;
      call: 'add';
      label: string;
      picture: PagePicture;
      name: string | undefined;
      recording: string | undefined;
    }
  | { id: number; call: 'clear' }
  | { id: number; call: 'train'; options: PageTrainingOptions }
  | { id: number; call: 'pack'; model: string }
  | { id: number; call: 'stop' };

/** What it gets: any number of `progress`, then one of the others. */
export type Response = { id: number } & (
  | { progress: PageProgress }
  | { result: unknown }
  | { stopped: true }
  | { error: { code?: string; message: string } }
);

/** The end of a line: a Worker in the page, and what a worker has as its own. */
export interface Port {
  /** Sends a message. */
  postMessage(message: unknown, transfer?: Transferable[]): void;
  /** Hears messages. */
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}
