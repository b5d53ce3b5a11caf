/** Parts of the package that are loaded when they are first needed, and that a moment's want must not break for ever. */
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { systemError } from './files.js';

/** More than the modules of any part that are read at once. */
const DESCRIPTORS = 16;

/**
 * Node 20 remembers that a module could not be read, and says so whenever it is asked for again. Where the process has no
 * file descriptors left, it is therefore not asked at all.
 */
export function lazy<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded = false;
  return async () => {
    if (!loaded) checkDescriptors();
    const module = await load();
    loaded = true;
    return module;
  };
}

/** @throws MobileNetError IO */
function checkDescriptors(): void {
  const opened: number[] = [];
  try {
    for (let n = 0; n < DESCRIPTORS; n++) opened.push(openSync(devNull, 'r'));
  } catch (cause) {
    // Who may not open this file may have all others.
    if (/^E[MN]FILE$/.test((cause as NodeJS.ErrnoException).code ?? '')) throw systemError(cause, 'mobilenet-v2');
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
