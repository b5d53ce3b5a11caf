/** What the library needs from the place it runs in. src/platforms has an answer for each; nothing of `node:*` is here. */
import type { Folder } from './folder.js';
import type { HubOptions } from './hub-options.js';
import type { DecodedImage, OpenRows, RowsGiven } from './pixels.js';

/** A thread that was started. */
export interface WorkerHandle {
  /** Ends it; resolves when it runs no more. */
  terminate(): Promise<unknown>;
}

/** Folders that training writes: its checkpoints. */
export interface FolderStore {
  /** Names of the folders in a folder; none where there is no such folder. */
  list(path: string): Promise<string[]>;
  /** Bytes of a file of a folder, or undefined where it is not there. */
  read(path: string, file: string): Promise<Uint8Array | undefined>;
  /** Writes a folder and the one it lies in. It is there with all its files or not at all, and replaces one of its name. */
  write(path: string, files: ReadonlyMap<string, Uint8Array>): Promise<void>;
  /** Removes a folder with all that is in it. */
  remove(path: string): Promise<void>;
}

/** What a decoder of JPEG is asked for besides pixels. */
export interface JpegDecoding {
  open?: OpenRows;
  scale?: 1 | 2 | 4 | 8;
}

/** The services of a platform. Every method may be missing: what needs it then throws UNSUPPORTED. */
export interface Platform {
  /**
   * Opens a model's folder by path (Node), by URL, or by its name on the hub where that is known. `named`: a file in it
   * that the caller chose, so that it must be a folder.
   */
  openFolder?(path: string, options?: HubOptions & { named?: string }): Promise<Folder>;
  /** A model that is one file (TFLite) as the folder that it would be converted to. */
  openModelFile?(bytes: Uint8Array, file: string): Promise<Folder>;
  /** The folder of a checkpoint that ships with the package, by its name in `SHIPPED`. */
  openShippedFolder?(name: string): Promise<Folder>;
  /** Asks for a URL where a place has a way of its own, by a proxy; `fetch` where this is missing. */
  fetch?: typeof fetch;
  /** Bytes of a picture by path or URL. */
  readFile?(path: string, limit: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Paths of all files below a folder, without hidden ones. */
  listFiles?(path: string): Promise<string[]>;
  /** Writes files into a folder, each whole or not at all. */
  writeFolder?(path: string, files: ReadonlyMap<string, Uint8Array>): Promise<void>;
  /** Where training keeps its checkpoints. */
  folderStore?(): Promise<FolderStore>;
  /**
   * Pixels of a PNG; the file is sound and within the limits. `lowerBytes`: of 16-bit samples the lower byte in place of the
   * upper one. `checked`: the checksums of the file have been looked at.
   */
  decodePng?(
    bytes: Uint8Array,
    file: string,
    options?: { lowerBytes?: boolean; checked?: boolean },
  ): Promise<DecodedImage>;
  /**
   * Pixels of a JPEG, not turned by EXIF. Where `open` is given they may go there row by row as they are decoded, one
   * channel for grey and else three; a decoder that does not know of it gives the picture. With `scale` each side is divided
   * by it, rounded up, as libjpeg does; a decoder that cannot gives the whole size.
   */
  decodeJpeg?(bytes: Uint8Array, file: string, options?: JpegDecoding): Promise<DecodedImage | RowsGiven>;
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
  /**
   * Unpacks zlib's format piece by piece, so that it need not be in memory all at once. Throws for what is damaged or cut
   * short, and for bytes after the end, at the latest when all pieces have been given.
   */
  inflateInPieces?(bytes: Uint8Array<ArrayBuffer>): AsyncIterable<Uint8Array>;
  /** The emitted kernels from a file of the package; undefined where the package has no such file, and they are emitted anew. */
  readKernels?(file: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Threads that run at once. */
  parallelism?(): number;
  /**
   * Starts a thread that calls a function, given as text, with `task`. It must not keep the program alive. `onExit` is
   * told when the thread has ended, and whether it did so by itself and without an error.
   */
  startWorker?(source: string, task: unknown, onExit: (clean: boolean) => void): Promise<WorkerHandle>;
}

/** What every place has: threads, where there are any, are those of a page. */
export const basicPlatform: Platform = {
  parallelism: () => globalThis.navigator?.hardwareConcurrency ?? 1,
  startWorker: startWebWorker,
};

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
