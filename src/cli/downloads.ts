/** A bar on standard error while files of a model are downloaded: only on a terminal, and only if it takes a while. */
import type { SingleBar } from 'cli-progress';
import type { HubOptions, ProgressInfo } from '../entries/main-node.js';
import { protectInputs } from './inputs.js';
import type { ModelFlags } from './options.js';
import type { Session } from './session.js';
import { megabytes } from './text.js';

const PATIENCE_MS = 500;

/** How the flags want a model found. */
function hubOptions({ revision, cacheDir, localFilesOnly, token }: ModelFlags): HubOptions {
  return {
    ...(revision !== undefined && { revision }),
    ...(cacheDir !== undefined && { cache_dir: cacheDir }),
    ...(localFilesOnly && { local_files_only: true }),
    ...(token === false && { token }),
  };
}

/** Runs what may download, with a bar, and ends it when the user does. */
export async function withDownloads<T>(
  flags: ModelFlags,
  session: Session,
  work: (hub: HubOptions) => Promise<T>,
): Promise<T> {
  if (flags.model !== undefined) protectInputs([flags.model]);
  const bar = new DownloadBar(flags.quiet !== true && process.stderr.isTTY);
  const progress_callback = (info: ProgressInfo) => bar.tell(info);
  try {
    return await session.unlessStopped(work({ ...hubOptions(flags), progress_callback, signal: session.signal }));
  } finally {
    bar.stop();
  }
}

class DownloadBar {
  readonly #enabled: boolean;
  #began: number | undefined;
  #bar: SingleBar | undefined;
  #loading = false;
  #stopped = false;

  constructor(enabled: boolean) {
    this.#enabled = enabled;
  }

  tell(info: ProgressInfo): void {
    if (!this.#enabled) return;
    if (info.status === 'download') this.#began ??= performance.now();
    if (info.status !== 'progress_total' || this.#began === undefined) return;
    if (performance.now() - this.#began < PATIENCE_MS) return;
    if (this.#bar === undefined) void this.#load();
    else this.#draw(info);
  }

  stop(): void {
    this.#stopped = true;
    this.#bar?.stop();
  }

  async #load(): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    const { SingleBar } = await import('cli-progress');
    if (this.#stopped) return;
    this.#bar = new SingleBar({
      format: '{bar} {done} of {all} downloaded, {eta_formatted} left',
      barsize: 30,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      clearOnComplete: true,
      stream: process.stderr,
    });
    this.#bar.start(0, 0, { done: '', all: '' });
  }

  #draw({ loaded, total }: { loaded: number; total: number }): void {
    this.#bar!.setTotal(total);
    this.#bar!.update(loaded, { done: megabytes(loaded), all: megabytes(total) });
  }
}
