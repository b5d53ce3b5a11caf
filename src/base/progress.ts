/** Tells a caller how far files have come, in the events of transformers.js. */
import type { Folder } from './folder.js';
import type { HubOptions } from './hub-options.js';

export class FileProgress {
  readonly #name: string;
  readonly #tell: NonNullable<HubOptions['progress_callback']>;
  readonly #files: Record<string, { loaded: number; total: number }> = Object.create(null);

  constructor(name: string, { progress_callback }: HubOptions) {
    this.#name = name;
    this.#tell = progress_callback ?? (() => {});
  }

  step(status: 'initiate' | 'download' | 'done', file: string): void {
    this.#tell({ status, name: this.#name, file });
  }

  /** Bytes of a file so far; a total that is not known is NaN, and then what there is. */
  update(file: string, loaded: number, total: number): void {
    // Of a compressed answer the length that is told is that of what was sent.
    const own = { loaded, total: Number.isFinite(total) ? Math.max(total, loaded) : loaded };
    this.#files[file] = own;
    const name = this.#name;
    this.#tell({ status: 'progress', name, file, ...own, progress: percent(own) });
    const all = { loaded: 0, total: 0 };
    for (const each of Object.values(this.#files)) {
      all.loaded += each.loaded;
      all.total += each.total;
    }
    this.#tell({ status: 'progress_total', name, ...all, progress: percent(all), files: { ...this.#files } });
  }
}

const percent = ({ loaded, total }: { loaded: number; total: number }): number =>
  total === 0 ? 100 : (loaded / total) * 100;

/** A folder that tells of each file it has: that it is read, and, when it is there, its bytes. */
export function withProgress(folder: Folder, options: HubOptions): Folder {
  if (!options.progress_callback) return folder;
  const progress = new FileProgress(folder.name, options);
  const { alternative } = folder;
  return {
    name: folder.name,
    ...(alternative && { alternative: alternative.bind(folder) }),
    async read(file, signal, most) {
      const bytes = await folder.read(file, signal, most);
      if (bytes === undefined) return undefined;
      progress.step('initiate', file);
      progress.update(file, bytes.length, bytes.length);
      progress.step('done', file);
      return bytes;
    },
  };
}
