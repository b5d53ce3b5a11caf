/**
 * A file of features, written a picture at a time so that it may be larger than memory. Room for the header is kept at
 * the front and filled in last.
 */
import { extname } from 'node:path';
import { env, MobileNetError } from '../entries/main-node.js';
import { csvLine } from './cells.js';
import { type MakeHeader, npyHeader, safetensorsHeader } from './feature-headers.js';
import { TemporaryFile, writeWhole } from './temporary-file.js';

const FORMATS: Record<string, MakeHeader> = { '.npy': npyHeader, '.safetensors': safetensorsHeader };

export const FEATURE_EXTENSIONS: readonly string[] = Object.keys(FORMATS);

/** `photos.npy` has no room for names: its rows are named in `photos.rows.csv`. Null for files that name them themselves. */
export const rowsFile = (path: string): string | null =>
  extname(path) === '.npy' ? `${path.slice(0, -'.npy'.length)}.rows.csv` : null;

export class FeatureFile {
  readonly #rows: string | null;
  readonly #makeHeader: MakeHeader;
  readonly #headerLength: number;
  readonly #file: TemporaryFile;
  readonly #names: string[] = [];
  #position: number;

  /**
   * @param path ends in one of FEATURE_EXTENSIONS
   * @param candidates names of all pictures that may come: they bound the header
   * @throws MobileNetError LIMIT, before anything is written or computed, where nobody could read the file
   */
  constructor(path: string, candidates: readonly string[]) {
    this.#rows = rowsFile(path);
    this.#makeHeader = FORMATS[extname(path)];
    const most = Number.MAX_SAFE_INTEGER;
    this.#headerLength = this.#makeHeader({ dims: [most, most, most, most], files: candidates }).length;
    if (extname(path) === '.safetensors') checkHeader(path, this.#headerLength, candidates.length);
    this.#position = this.#headerLength;
    this.#file = new TemporaryFile(path);
  }

  /** Appends a picture's features, of one shape for all pictures. Returns their row. */
  append(name: string, features: Float32Array): number {
    this.#file.write(new Uint8Array(features.buffer, features.byteOffset, features.byteLength), this.#position);
    this.#position += features.byteLength;
    return this.#names.push(name) - 1;
  }

  /**
   * Writes the header and puts the file in its place, and beside it the list of its rows where it has no names.
   * @param shape of one picture's features
   */
  finish(shape: readonly number[]): void {
    const dims = [this.#names.length, ...shape];
    this.#file.write(this.#makeHeader({ dims, files: this.#names }, this.#headerLength), 0);
    if (this.#rows !== null) {
      const lines = this.#names.map((name, row) => csvLine([row, name]));
      writeWhole(this.#rows, new TextEncoder().encode([csvLine(['row', 'file']), ...lines].join('')));
    }
    this.#file.commit();
  }

  /** Leaves no file behind, unless it is finished. */
  discard(): void {
    this.#file.discard();
  }
}

/** A header of safetensors has all the names, and no reader takes one of any length: ours 25 MB, the Rust library 100 MB. */
function checkHeader(path: string, bytes: number, pictures: number): void {
  const most = env.limits.headerBytes;
  if (bytes <= most) return;
  throw new MobileNetError(
    'LIMIT',
    `${path}: the names of ${pictures} pictures take a header of ${bytes} bytes, and readers of .safetensors take ${most}; write .npy, which has them in a file beside it, or a file for each folder of pictures`,
    { file: path },
  );
}
