/** The package as a CDN has it: the checkpoints that ship lie beside the one file that everything is built into. */
import { env } from '../base/env.js';
import type { Folder } from '../base/folder.js';

/** The folder `weights` of the package that a file of it came from: `…/dist/mobilenet-v2.min.js`, or `…/npm/mobilenet-v2`. */
function weightsBeside(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/dist\/[^/]*$|\/$/, '')}/weights/`;
}

/** `import.meta.url` is that of the built file, which this module is a part of. */
export const openShippedFolder = (name: string): Promise<Folder> =>
  env.platform.openFolder!(`${weightsBeside(import.meta.url)}${name}/`);
