/**
 * Names of files that are being written. They say nothing of the process: in a container every run has the same number.
 * Nor of the file, whose name may be as long as names can be.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const PREFIX = '.mobilenet-v2-';
const NAME = /^\.mobilenet-v2-[0-9a-f-]{36}\.tmp$/;
/** Milliseconds after the last write. Even a file that waits for the next picture is written to more often. */
const STALE_MS = 3_600_000;

const swept = new Set<string>();

/** A path in that folder that nobody else has. What killed runs have left there is removed, the first time. */
export function temporaryIn(folder: string): string {
  if (!swept.has(folder)) sweep(folder);
  swept.add(folder);
  return join(folder, `${PREFIX}${crypto.randomUUID()}.tmp`);
}

/** Not before an hour has passed: another process may be at work in the same folder. */
function sweep(folder: string): void {
  try {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (NAME.test(name) && Date.now() - statSync(path).mtimeMs > STALE_MS) rmSync(path, { force: true });
    }
  } catch {
    // It only saves room: whether the folder can be written to, the writing itself will tell.
  }
}

/** The permissions of a file that is to be replaced; undefined if it is not there yet. */
export function modeOf(path: string): number | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isFile() ? found.mode & 0o777 : undefined;
}
