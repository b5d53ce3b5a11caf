/**
 * What the library needs from the place it runs in. `src/entries/main-node.ts` fills it with files and codecs; in a browser the
 * defaults of this file hold. Nothing of `node:*` is imported here, so the browser's import graph stays free of it.
 */
import { asBytes } from './brands.js';
import { MobileNetError, show } from './errors.js';
import { refuseForeign } from './foreign.js';
import { withProgress } from './progress.js';

/** Pixels as a codec gives them: interleaved rows, `channels` bytes a pixel (1 grey, 3 RGB, 4 RGBA). */
export interface DecodedImage {
  data: Uint8Array | Uint8ClampedArray;
  width: number;
  height: number;
  channels: 1 | 3 | 4;
  /** What was wrong with the file and did not keep it from being decoded. */
  warnings?: readonly string[];
}

/** A folder of model files: reading only what is asked for. */
export interface Folder {
  /** How the caller named it; used in messages. */
  readonly name: string;
  /**
   * The bytes of a file, or undefined when there is no such file. `file` is a plain relative path. Of a file with more
   * than `most` bytes nothing need be read: it is refused whatever is given for it.
   */
  read(file: string, signal?: AbortSignal, most?: number): Promise<Uint8Array | undefined>;
  /** Where else the weights of this model may lie, when it holds none: its conversion to safetensors. */
  alternative?(signal?: AbortSignal): Promise<Folder | undefined>;
}

/** What happens to one file, or to all of them, as transformers.js tells it. */
export type ProgressInfo =
  | { status: 'initiate' | 'download' | 'done'; name: string; file: string }
  /** `loaded` and `total` in bytes, `progress` in percent. */
  | { status: 'progress'; name: string; file: string; loaded: number; total: number; progress: number }
  /** Over all files that have begun. */
  | {
      status: 'progress_total';
      name: string;
      loaded: number;
      total: number;
      progress: number;
      files: Record<string, { loaded: number; total: number }>;
    }
  | { status: 'ready'; task: string; model: string };

/** How a model that is named is found. What concerns the hub has no meaning for a folder on this computer. */
export interface HubOptions {
  /** Branch, tag, commit, or `refs/pr/N`. Default `main`. */
  revision?: string | undefined;
  /** A folder within the model's. (Of a URL, it is a part of the URL.) */
  subfolder?: string | undefined;
  /** A token of the hub; false sends none, true demands one. Left out, Node takes HF_TOKEN or the file of a login. */
  token?: string | boolean | undefined;
  /** Where files are kept (Node). */
  cache_dir?: string | undefined;
  /** Ask nobody; what is not kept already is an OFFLINE error. */
  local_files_only?: boolean | undefined;
  /** Download also what is kept already. */
  force_download?: boolean | undefined;
  /** Called as bytes of files arrive. */
  progress_callback?: ((info: ProgressInfo) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Where answers can be kept; the Cache of a browser is one. */
export interface ResponseCache {
  /** The answer that is kept for a request; undefined where there is none. */
  match(url: string): Promise<Response | undefined>;
  /** Keeps an answer. */
  put(url: string, response: Response): Promise<unknown>;
}

/** How models are found by name. Names and meanings are those of transformers.js. */
export interface HubSettings {
  /** False: nothing is downloaded. */
  allowRemoteModels: boolean;
  /** False: `org/name` is never a folder, always a model of the hub. */
  allowLocalModels: boolean;
  /** The hub. Null, the default: HF_ENDPOINT in Node, else https://huggingface.co/. */
  remoteHost: string | null;
  /** Where on the host a model's files lie. */
  remotePathTemplate: string;
  /** Where `org/name/` is looked for before the hub is asked; null looks nowhere. */
  localModelPath: string | null;
  /** Where Node keeps files; null is where Python's huggingface_hub does. */
  cacheDir: string | null;
  /** False: Node keeps no files. */
  useFSCache: boolean;
  /** False: a browser keeps no files. */
  useBrowserCache: boolean;
  /** Replaces both. */
  customCache: ResponseCache | null;
  /** Replaces `fetch` for everything that the hub is asked for. */
  fetch: typeof fetch;
  /** Patience. */
  network: {
    /** How often a file is tried for. */
    attempts: number;
    /** Milliseconds before the second try; doubled before each further one. */
    backoff: number;
    /** Milliseconds without a byte after which a connection is given up. */
    timeout: number;
  };
}

/**
 * `org/name`, as models of the hub are called. Names without an organisation, which the hub has for some old models, are
 * left out: such a name is a folder's.
 */
export const MODEL_NAME = /^\w[\w.-]*\/\w[\w.-]*$/;

/** The checkpoints that ship with the package, by the task that takes them where no model is named: folders of weights/. */
export const SHIPPED = {
  classification: 'mobilenet_v2_1.0_224',
  segmentation: 'deeplabv3_mobilenet_v2_0.5_513',
} as const;

/** A thread that was started. */
export interface WorkerHandle {
  /** Ends it; resolves when it runs no more. */
  terminate(): Promise<unknown>;
}

/** The services of a platform. Every method may be missing: what needs it then throws UNSUPPORTED. */
export interface Platform {
  /**
   * Opens a model's folder by path (Node), by URL, or by its name on the hub where that is known. `named`: a file in it
   * that the caller chose himself, so that it is a folder.
   */
  openFolder?(path: string, options?: HubOptions & { named?: string }): Promise<Folder>;
  /** The folder of a checkpoint that ships with the package, by its name in `SHIPPED`. */
  openShippedFolder?(name: string): Promise<Folder>;
  /** Bytes of a picture by path or URL. */
  readFile?(path: string, limit: number): Promise<Uint8Array>;
  /** Writes files into a folder, each whole or not at all. */
  writeFolder?(path: string, files: ReadonlyMap<string, Uint8Array>): Promise<void>;
  /** Pixels of a PNG; the file is sound and within the limits. */
  /** `lowerBytes`: of 16-bit samples the lower byte in place of the upper one. */
  decodePng?(bytes: Uint8Array, file: string, options?: { lowerBytes?: boolean }): Promise<DecodedImage>;
  /** Pixels of a JPEG, not turned by EXIF. */
  decodeJpeg?(bytes: Uint8Array, file: string): Promise<DecodedImage>;
  /**
   * Pixels of a picture of another format, upright, where the place can decode it.
   * @param format as the first bytes say it: 'WebP', 'GIF', 'AVIF', 'SVG'
   */
  decodeOther?(bytes: Uint8Array, format: string, file: string): Promise<DecodedImage>;
  /** A PNG file of pixels. */
  encodePng?(image: DecodedImage): Promise<Uint8Array>;
  /** A JPEG file of pixels; quality from 0 to 1. */
  encodeJpeg?(image: DecodedImage, quality: number): Promise<Uint8Array>;
  /** Gives the user a file where none can be written: a download of a page. */
  offerFile?(name: string, bytes: Uint8Array, type: string): Promise<void>;
  /**
   * Unpacks zlib's format or bare deflate. Rejects what is damaged, and anything above `most` bytes before it is all in
   * memory.
   */
  inflate?(bytes: Uint8Array, format: 'deflate' | 'deflate-raw', most: number): Promise<Uint8Array>;
  /** The emitted kernels from a file of the package; undefined where there is none, and they are emitted anew. */
  readKernels?(file: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Threads that run at once. */
  parallelism?(): number;
  /**
   * Starts a thread that calls a function, given as text, with `task`. It must not keep the program alive. `onExit` is
   * told when the thread has ended, and whether it did so by itself and without an error.
   */
  startWorker?(source: string, task: unknown, onExit: (clean: boolean) => void): Promise<WorkerHandle>;
}

/** Limits checked before memory is taken. All can be raised by the caller. */
export interface Limits {
  /** Pixels of a picture, width times height. */
  imagePixels: number;
  /** Bytes of an encoded picture. */
  imageBytes: number;
  /** Scans of a progressive JPEG. */
  jpegScans: number;
  /** Bytes of a safetensors header. */
  headerBytes: number;
  /** Tensors in a checkpoint; a MobileNetV2 has 314. */
  tensors: number;
  /** Bytes of a checkpoint's files of weights, all shards together. */
  weightsBytes: number;
  /** Bytes of a JSON file (config, index). */
  jsonBytes: number;
  /** Nesting of a JSON file. */
  jsonDepth: number;
}

/**
 * What the library runs on, the limits it keeps, and who hears its warnings; all can be assigned to. The settings of the hub
 * are put in by those who need them: Node, and `mobilenet-v2/hub`.
 */
export const env = {
  platform: { parallelism: () => globalThis.navigator?.hardwareConcurrency ?? 1, startWorker: startWebWorker },
  limits: {
    imagePixels: 50_000_000,
    imageBytes: 64 * 1024 * 1024,
    jpegScans: 100,
    headerBytes: 25_000_000,
    tensors: 100_000,
    weightsBytes: 2 * 1024 ** 3,
    jsonBytes: 10 * 1024 * 1024,
    jsonDepth: 64,
  },
  onWarning: (message) => console.warn(`mobilenet-v2: ${message}`),
} as Environment & HubSettings;

interface Environment {
  platform: Platform;
  limits: Limits;
  /**
   * Hears of what went well although something is wrong: a damaged file that could be read, a canvas that changes pixels.
   * The message names the file. The default writes it to the console; null keeps warnings silent.
   */
  onWarning: ((message: string) => void) | null;
}

/** Tells whoever listens about something that is wrong and stops nothing. */
export function warn(message: string): void {
  env.onWarning?.(message);
}

async function startWebWorker(source: string, task: unknown, onExit: (clean: boolean) => void): Promise<WorkerHandle> {
  const text = `onmessage = ({ data }) => { (${source})(data); postMessage('done'); close(); };`;
  const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  const worker = new Worker(url);
  worker.onmessage = () => onExit(true);
  worker.onerror = (event) => {
    event.preventDefault(); // not the page's error: the network computes on without this thread
    onExit(false);
  };
  worker.postMessage(task);
  return {
    async terminate() {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}

/** Throws LIMIT for a file of a model with more bytes than it may have. */
export function checkFileBytes(bytes: number, most: number, file: string): void {
  if (bytes <= most) return;
  throw new MobileNetError(
    'LIMIT',
    `${file}: more than ${most} bytes; raise env.limits.weightsBytes, or jsonBytes for a configuration, if you trust it`,
    { file },
  );
}

/**
 * A file of a model, within the limit for its kind whether the folder heeds that or not.
 * @param most bytes that it may have
 * @throws MobileNetError LIMIT, BAD_HEADER for what git or a server left in its place, and what the folder throws
 */
export async function readModelFile(
  folder: Folder,
  file: string,
  signal?: AbortSignal,
  most = file.endsWith('.json') ? env.limits.jsonBytes : env.limits.weightsBytes,
): Promise<Uint8Array | undefined> {
  const bytes = asBytes(await folder.read(file, signal, most)); // a folder of the caller's may give those of another realm
  if (bytes !== undefined) {
    checkFileBytes(bytes.length, most, file);
    refuseForeign(bytes, file);
  }
  return bytes;
}

/** Throws LIMIT for more tensors than a checkpoint may have. */
export function checkTensorCount(count: number, file: string): void {
  if (count <= env.limits.tensors) return;
  throw new MobileNetError(
    'LIMIT',
    `${file}: ${count} tensors, env.limits.tensors is ${env.limits.tensors}; raise it if you trust the file`,
    { file },
  );
}

/** The named service of the platform, or an error that says what is missing. */
export function requirePlatform<K extends keyof Platform>(service: K, wanted: string): NonNullable<Platform[K]> {
  const found = env.platform[service];
  if (found === undefined) {
    throw new MobileNetError(
      'UNSUPPORTED',
      `${wanted}: env.platform.${service} is not set; import 'mobilenet-v2' in Node, or set it`,
    );
  }
  return found;
}

/**
 * A model's folder: opened by the platform if named, a checkpoint that ships with the package if not.
 * @param shipped the one to take
 */
export async function openFolder(
  where?: string | Folder | null,
  given: HubOptions = {},
  shipped: string = SHIPPED.classification,
): Promise<Folder> {
  // Callers hand in all that they were given; transformers.js says null for what is not.
  const entries = Object.entries(given).filter(([name, value]) => HUB_OPTIONS.includes(name) && value !== null);
  const options: HubOptions = Object.fromEntries(entries);
  if (where === undefined || where === null) {
    return withProgress(await requirePlatform('openShippedFolder', 'the shipped checkpoint')(shipped), options);
  }
  if (typeof where === 'string') return requirePlatform('openFolder', where)(where, options);
  if (typeof where?.read === 'function') return withProgress(where, options);
  throw new MobileNetError('ARG', `model: expected a folder's path or a Folder, got ${show(where)}`);
}

/** The names of {@link HubOptions}. */
export const HUB_OPTIONS: readonly string[] = [
  'revision',
  'subfolder',
  'token',
  'cache_dir',
  'local_files_only',
  'force_download',
  'progress_callback',
  'signal',
] satisfies (keyof HubOptions)[];

/** What is left of options when those of the hub are taken out. */
export function withoutHubOptions<T extends HubOptions>(options: T): Omit<T, keyof HubOptions> {
  const rest = Object.entries(options).filter(([name]) => !HUB_OPTIONS.includes(name));
  return Object.fromEntries(rest) as Omit<T, keyof HubOptions>;
}
