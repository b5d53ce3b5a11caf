/** `../shared` beside the project: photographs, checkpoints and goldens too large to commit. */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** `SHARED=nowhere/` is a clone that has none. */
const folder = process.env.SHARED ?? fileURLToPath(new URL('../../../shared/', import.meta.url));

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

/** Names of the files in a folder of `../shared`; none, with a printed reason, where it is absent. */
export function sharedFiles(path: string): string[] {
  if (existsSync(shared(path))) return readdirSync(shared(path));
  console.log(`../shared/${path} is absent: tests that need it are left out`);
  return [];
}

/** The path of a file in `../shared`, or undefined, with a printed reason, where it is absent. */
export function sharedFile(path: string): string | undefined {
  if (existsSync(shared(path))) return shared(path);
  console.log(`skipped: ../shared/${path} is not there`);
  return undefined;
}
