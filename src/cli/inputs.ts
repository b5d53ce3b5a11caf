/** The files that a run reads, which it must not write over: not by another name or a link either. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MobileNetError } from '../entries/main-node.js';

let named: string[] = [];
/** What the names have been looked up to so far. */
let known = new Set<string>();

/** A run begins: nothing is read yet. */
export function forgetInputs(): void {
  named = [];
  known = new Set();
}

/** Files, and folders of models with what is read of them. What is not there, such as a URL, needs no protection. */
export function protectInputs(paths: readonly string[]): void {
  named.push(...paths);
}

/**
 * Only where something is there already can it be an input, so that few runs have to look at all of theirs.
 * @throws MobileNetError ARG where the file to be written is one that is read
 */
export function refuseInput(target: string): void {
  const own = identity(target);
  if (own === undefined) return;
  for (const path of named) for (const each of identities(path)) known.add(each);
  named = [];
  if (!known.has(own)) return;
  const message = `${target}: is a file that this run reads; nothing was written to it; name another place for the result`;
  throw new MobileNetError('ARG', message, { file: target });
}

/** Not all files of a model's folder: results of an earlier run may lie there. */
const MODEL_FILE = /^(preprocessor_)?config\.json$|^(pytorch_)?model\b.*\.(safetensors|bin|json)$/;

function identities(path: string): string[] {
  const own = identity(path);
  if (own === undefined || !statSync(path).isDirectory()) return own === undefined ? [] : [own];
  try {
    const names = readdirSync(path).filter((name) => MODEL_FILE.test(name));
    return names.flatMap((name) => identity(join(path, name)) ?? []);
  } catch {
    return []; // it may not be listed; reading from it says so
  }
}

/** Device and number: the same for all names of a file. */
function identity(path: string): string | undefined {
  try {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    return found && `${found.dev}:${found.ino}`;
  } catch {
    return undefined; // no permission, or a name that cannot be one
  }
}
