/** `../shared` beside the project: photographs, checkpoints and goldens too large to commit. Tests do without where it is absent. */
import { existsSync, readdirSync } from 'node:fs';

export const shared = new URL('../../../shared/', import.meta.url);

/** Names of the files in a folder of `../shared`; none, with a printed reason, where it is absent. */
export function sharedFiles(folder: string): string[] {
  const url = new URL(`${folder}/`, shared);
  if (existsSync(url)) return readdirSync(url);
  console.log(`../shared/${folder} is absent: tests that need it are left out`);
  return [];
}
