/** Where results are: a folder, or a place in a bucket of S3. Files are small and written whole. */
import { resolve } from 'node:path';
import { Bucket, isS3, parseS3 } from './bucket.js';
import { FolderStore } from './folder.js';
import { S3Store } from './s3.js';

export interface Store {
  /** What `openStore` opens again, on any machine that sees it. */
  readonly where: string;
  /** A file, as people would name it. */
  nameOf(name: string): string;
  /** The names of files that begin so, in any order. A part before a slash is a folder. */
  list(prefix: string): Promise<string[]>;
  /** Null where it is not there. */
  read(name: string): Promise<Uint8Array | null>;
  /** Writes a file that is not there yet, whole or not at all. False, and nothing written, where it is there. */
  create(name: string, bytes: Uint8Array): Promise<boolean>;
  /** Writes a file, over an earlier one. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Also where it is not there. */
  remove(name: string): Promise<void>;
}

export function openStore(where: string): Store {
  if (!isS3(where)) return new FolderStore(resolve(where));
  const { bucket, key } = parseS3(where);
  return new S3Store(new Bucket(bucket), key);
}
