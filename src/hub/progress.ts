/** Tells a caller how far files have come, in the events of transformers.js. */
import type { HubOptions } from '../base/env.js';

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
    const own = { loaded, total: Number.isFinite(total) ? total : loaded };
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
