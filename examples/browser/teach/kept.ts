/** The network that a visitor taught, as it lies in the browser's private files of this page: still there at the next visit. */
import type { Kept } from '../protocol.js';
import { TAUGHT_NAME } from './taught.js';

/** In the order in which a training writes them. */
const FILES = ['config.json', 'model.safetensors', 'preprocessor_config.json'];

/** What is kept; null for nothing, and in a browser that keeps nothing. */
export async function kept(): Promise<Kept | null> {
  try {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(TAUGHT_NAME);
    const files = await Promise.all(FILES.map(async (name) => (await folder.getFileHandle(name)).getFile()));
    if (!isWhole(files)) return null;
    const { id2label } = JSON.parse(await files[0].text()) as { id2label: Record<number, string> };
    return { labels: Object.values(id2label), savedAt: files[1].lastModified };
  } catch {
    return null;
  }
}

/** A page that is closed while it saves leaves an empty file, or new ones with an old one after them. */
const isWhole = (files: readonly File[]): boolean =>
  files.every(({ size, lastModified }, n) => size > 0 && lastModified >= (files[n - 1]?.lastModified ?? 0));

export async function removeKept(): Promise<void> {
  const root = await navigator.storage.getDirectory();
  await root.removeEntry(TAUGHT_NAME, { recursive: true }).catch((error: DOMException) => {
    if (error.name !== 'NotFoundError') throw error; // another tab was first
  });
}
