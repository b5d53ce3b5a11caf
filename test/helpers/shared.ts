/** `../shared` beside the project: photographs, checkpoints and goldens too large to commit. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../../shared/', import.meta.url));

/** The path of a file or folder in `../shared`. */
export function shared(path: string): string {
  return folder + path;
}

/** Whether `../shared` is absent; prints what is left out for that reason. */
export function withoutShared(what: string): boolean {
  const absent = !existsSync(folder);
  if (absent) console.log(`../shared is absent: ${what} left out`);
  return absent;
}
