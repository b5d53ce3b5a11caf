/**
 * A file that appears whole or not at all: written under a temporary name in the folder where it will be, then renamed.
 * All calls are synchronous, so no signal can come between the last byte and the rename; a temporary file that is still
 * there when the process ends is removed.
 */
import { closeSync, fchmodSync, openSync, realpathSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { MobileNetError } from '../entries/main-node.js';
import { modeOf, temporaryIn } from '../platforms/node/temporary.js';
import { refuseInput } from './inputs.js';

const unfinished = new Set<string>();
process.on('exit', () => {
  for (const path of unfinished) rmSync(path, { force: true });
});

export class TemporaryFile {
  readonly #target: string;
  readonly #path: string;
  readonly #descriptor: number;
  #open = true;

  constructor(target: string) {
    this.#target = replaceable(target);
    refuseInput(target);
    this.#path = temporaryIn(dirname(this.#target));
    const mode = modeOf(this.#target);
    this.#descriptor = openFor(target, this.#path, mode);
    unfinished.add(this.#path);
    if (mode !== undefined) fchmodSync(this.#descriptor, mode); // what was private stays so, whatever the umask
  }

  write(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, position + done);
    }
  }

  /** Puts the file in its place, over an earlier one. */
  commit(): void {
    this.#close();
    renameSync(this.#path, this.#target);
    unfinished.delete(this.#path);
  }

  /** Removes what was not committed; after `commit` it does nothing. */
  discard(): void {
    this.#close();
    if (unfinished.delete(this.#path)) rmSync(this.#path, { force: true });
  }

  #close(): void {
    if (this.#open) closeSync(this.#descriptor);
    this.#open = false;
  }
}

/** Writes a whole file. */
export function writeWhole(target: string, bytes: Uint8Array): void {
  const file = new TemporaryFile(target);
  try {
    file.write(bytes, 0);
    file.commit();
  } finally {
    file.discard();
  }
}

/** Opens the temporary file; an error speaks of the file the user named. */
function openFor(target: string, path: string, mode: number | undefined): number {
  try {
    return openSync(path, 'wx', mode);
  } catch (cause) {
    const [reason] = (cause as Error).message.split(', open ');
    throw new MobileNetError('IO', `${target}: cannot be written (${reason})`, { file: target, cause });
  }
}

/** The path to rename to: where symbolic links lead, and never a folder or a device, which a rename would replace. */
function replaceable(target: string): string {
  const found = statSync(target, { throwIfNoEntry: false });
  if (found === undefined) return target;
  if (!found.isFile()) throw new MobileNetError('IO', `${target}: exists and is not a file`, { file: target });
  return realpathSync(target);
}
