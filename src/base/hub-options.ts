/** How models are found by name: the options of one call, and the settings for all of them. */
import { checkObject } from './check.js';

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
  /** Send no request; a file that is not in the cache is an OFFLINE error. */
  local_files_only?: boolean | undefined;
  /** Download also what is kept already. */
  force_download?: boolean | undefined;
  /** Called as bytes of files arrive. */
  progress_callback?: ((info: ProgressInfo) => void) | undefined;
  signal?: AbortSignal | undefined;
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
  checkObject(options, 'options', 'an object of options');
  const rest = Object.entries(options).filter(([name]) => !HUB_OPTIONS.includes(name));
  return Object.fromEntries(rest) as Omit<T, keyof HubOptions>;
}

/** Where answers can be kept; the Cache of a browser is one. */
export interface ResponseCache {
  /** The answer that is kept for a request; undefined where nothing is kept. */
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
  /** When a download is tried again, and when it is given up. */
  network: {
    /** How often a file is tried for. */
    attempts: number;
    /** Milliseconds before the second try; doubled before each further one. */
    backoff: number;
    /** Milliseconds without a byte after which a connection is given up. */
    timeout: number;
  };
}

/** All but `fetch`, which depends on the platform. */
export const DEFAULT_SETTINGS: Omit<HubSettings, 'fetch'> = {
  allowRemoteModels: true,
  allowLocalModels: true,
  remoteHost: null,
  remotePathTemplate: '{model}/resolve/{revision}/',
  localModelPath: null,
  cacheDir: null,
  useFSCache: true,
  useBrowserCache: true,
  customCache: null,
  network: { attempts: 5, backoff: 500, timeout: 10_000 },
};

/**
 * `org/name`, as models of the hub are called. Names without an organisation, which the hub has for some old models, are
 * left out: such a name is a folder's.
 */
export const MODEL_NAME = /^\w[\w.-]*\/\w[\w.-]*$/;
