/** The models that come with the page, as folders whose bytes are counted while they come. */
import type { Folder } from 'mobilenet-v2';
import type { Progress, Task } from './protocol.js';

type Shipped = Exclude<Task, 'taught'>;

const FOLDERS: Record<Shipped, string> = {
  what: 'mobilenet_v2_1.0_224',
  where: 'deeplabv3_mobilenet_v2_0.5_513',
};

/** Put in by build.mjs: the size of every model's weights, which a host that compresses does not tell. */
declare const WEIGHT_BYTES: Record<string, number>;

/** Files that came already: another engine needs no second download. */
const kept = new Map<string, Promise<Uint8Array | undefined>>();

export function shippedFolder(task: Shipped, tell: (progress: Progress) => void): Folder {
  const name = FOLDERS[task];
  return {
    name,
    read(file) {
      const path = `models/${name}/${file}`;
      const bytes = kept.get(path) ?? receive(path, file.endsWith('.safetensors') ? tell : () => {});
      kept.set(path, bytes);
      bytes.catch(() => kept.delete(path)); // the next try may go well
      return bytes;
    },
  };

  async function receive(path: string, tell: (progress: Progress) => void): Promise<Uint8Array | undefined> {
    const response = await fetch(path);
    if (response.status === 404) return undefined;
    if (!response.ok || response.body === null) throw new Error(`${path}: ${response.status} ${response.statusText}`);
    const total = WEIGHT_BYTES[name] ?? 0;
    const chunks: Uint8Array[] = [];
    let loaded = 0;
    const reader = response.body.getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      chunks.push(read.value);
      loaded += read.value.length;
      tell({ loaded, total });
    }
    const all = new Uint8Array(loaded);
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }
}
