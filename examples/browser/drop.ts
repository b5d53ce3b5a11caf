/** Files and folders that are dropped. */
import type { ModelFiles } from './protocol.js';

type Dropped = ModelFiles[number];

/** Entries have to be asked for at once, before the event is over; folders are read then. */
export function droppedFiles(transfer: DataTransfer): Promise<Dropped[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (entries.every((entry) => entry === null)) {
    return Promise.resolve([...transfer.files].map((file) => ({ path: file.name, file })));
  }
  return Promise.all(entries.filter((entry) => entry !== null).map(filesIn)).then((lists) => lists.flat());
}

async function filesIn(entry: FileSystemEntry): Promise<Dropped[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\//, ''), file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Dropped[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    found.push(...(await Promise.all(some.map(filesIn))).flat());
  }
}

/** Do these make up a model? */
export const isModel = (files: readonly Dropped[]): boolean =>
  files.some(({ path }) => /\.(safetensors|bin)$|(^|\/)config\.json$/.test(path));

/** Longest edge of a drawing that is made a picture of, in pixels. */
const DRAWING_EDGE = 1024;

/**
 * What the worker can read: a file as it is. An SVG is drawn first, which only a page can do.
 * @throws Error for an SVG that cannot be drawn
 */
export async function readable(file: Blob): Promise<Blob | ImageBitmap> {
  if (file.type !== 'image/svg+xml') return file;
  const url = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const [width, height] = [image.naturalWidth || 512, image.naturalHeight || 512];
    const scale = DRAWING_EDGE / Math.max(width, height);
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    const context = canvas.getContext('2d')!;
    context.fillStyle = '#fff'; // what is transparent would be black
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await createImageBitmap(canvas);
  } finally {
    URL.revokeObjectURL(url);
  }
}
