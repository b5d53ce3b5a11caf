/** Pictures that the command line writes, by the extension of their name. */
import { extname } from 'node:path';
import type { RawImage } from '../entries/main-node.js';

const TYPES: Record<string, string> = { '.png': 'image/png', '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg' };

export const WRITTEN_EXTENSIONS: readonly string[] = Object.keys(TYPES);

export const isPictureName = (path: string): boolean => extname(path).toLowerCase() in TYPES;

/** The file's bytes. */
export async function encodePicture(image: RawImage, path: string): Promise<Uint8Array> {
  const blob = await image.toBlob(TYPES[extname(path).toLowerCase()]);
  return new Uint8Array(await blob.arrayBuffer());
}
