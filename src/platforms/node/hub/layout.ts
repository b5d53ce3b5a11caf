/**
 * The cache on disk, as Hugging Face specifies it (hub-docs, local-cache.md), so that Python finds what we keep and we
 * what Python keeps:
 *
 *     models--google--mobilenet_v2_1.0_224/
 *       refs/main                              the commit that main was last seen at
 *       snapshots/<commit>/config.json         → ../../blobs/<etag>, a relative link, a copy where there are no links
 *       blobs/<etag>                           a file, named by its SHA-256 or git's SHA-1
 *       blobs/<etag>.mv2-1a2b3c4d.incomplete   a download under way, or broken off
 *       .no_exist/<commit>/model.safetensors   empty: that commit has no such file
 *     .locks/models--google--mobilenet_v2_1.0_224/
 *
 * Every step leaves a cache that is whole, in whatever order processes die: a snapshot's folder is there before the ref
 * that names it, a blob before the link to it, and whatever has content is written aside and renamed.
 */
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readlink, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { isCommit } from '../../../hub/names.js';
import { readWhole } from '../reading.js';

/** Marks our own unfinished files; Python's are `<etag>.1a2b3c4d.incomplete`. */
const OWN = '.mv2-';
export const UNFINISHED = '.incomplete';

/** Bytes of a file that names a commit, which takes 40. */
const LONGEST_REF = 1024;

export class RepoCache {
  /** All models. */
  readonly root: string;
  /** This one. */
  readonly folder: string;
  readonly blobs: string;
  readonly #name: string;

  constructor(root: string, repo: string) {
    this.root = root;
    this.#name = folderName(repo);
    this.folder = join(root, this.#name);
    this.blobs = join(this.folder, 'blobs');
  }

  blob(etag: string): string {
    return join(this.blobs, etag);
  }

  snapshot(commit: string, file = ''): string {
    return join(this.folder, 'snapshots', commit, file);
  }

  lock(etag: string): string {
    return join(this.root, '.locks', this.#name, `${etag}.mv2-lock`);
  }

  /** A path for an unfinished file, this process's own. */
  unfinished(etag: string): string {
    return `${this.blob(etag)}${OWN}${randomBytes(4).toString('hex')}${UNFINISHED}`;
  }

  /** Whether a name in `blobs` is one that `unfinished` gave. */
  isUnfinished(name: string, etag: string): boolean {
    return name.startsWith(`${etag}${OWN}`) && name.endsWith(UNFINISHED);
  }

  /** The commit a revision was last seen at. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const path = join(this.folder, 'refs', revision);
    const bytes = await readWhole(path, undefined, LONGEST_REF).catch(() => undefined);
    const text = new TextDecoder().decode(bytes).trim();
    return isCommit(text) ? text : undefined;
  }

  /** The path of a file of a snapshot, if it is there. */
  async find(commit: string, file: string): Promise<string | undefined> {
    const path = this.snapshot(commit, file);
    return (await isFile(path)) ? path : undefined;
  }

  async isKnownAbsent(commit: string, file: string): Promise<boolean> {
    return isFile(join(this.folder, '.no_exist', commit, file));
  }

  /** Makes room for files of a snapshot, and notes that this is where a revision stands. */
  async prepare(revision: string, commit: string): Promise<void> {
    await mkdir(this.snapshot(commit), { recursive: true });
    await mkdir(this.blobs, { recursive: true });
    await tag(this.root);
    await this.note(revision, commit);
  }

  async note(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    const path = join(this.folder, 'refs', revision);
    await mkdir(dirname(path), { recursive: true });
    // Not beside the ref: Python would take it for another one.
    const temporary = this.unfinished('ref');
    try {
      await writeFile(temporary, commit, { flag: 'wx' });
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async noteAbsent(commit: string, file: string): Promise<void> {
    const path = join(this.folder, '.no_exist', commit, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, '');
  }

  /** Puts a blob into a snapshot. */
  async link(etag: string, commit: string, file: string): Promise<void> {
    const path = this.snapshot(commit, file);
    const target = relative(dirname(path), this.blob(etag));
    await mkdir(dirname(path), { recursive: true });
    for (let n = 0; n < 10; n++) {
      try {
        await symlink(target, path);
        return;
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException;
        if (code === 'ENOSPC' || code === 'EACCES' || code === 'EROFS') throw cause;
        if (code !== 'EEXIST') return this.#copy(etag, path);
        // A link of another process, which is the same, or an older file of this name.
        const present = await readlink(path).catch(() => undefined);
        if (present === target) return;
        await unlink(path).catch(() => {});
      }
    }
    return this.#copy(etag, path);
  }

  /** Windows lets few users make links; some file systems have none. */
  async #copy(etag: string, path: string): Promise<void> {
    const temporary = this.unfinished(etag);
    try {
      await copyFile(this.blob(etag), temporary);
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

export const folderName = (repo: string): string => `models--${repo.replaceAll('/', '--')}`;

/** `google/mobilenet_v2_1.0_224` from its folder's name; undefined for any other folder. */
export function modelOf(name: string): string | undefined {
  return name.startsWith('models--') ? name.slice('models--'.length).replace('--', '/') : undefined;
}

/** The name of the blob that a file of a snapshot links to: its hash. Undefined for a copy. */
export async function etagOf(path: string): Promise<string | undefined> {
  const target = await readlink(path).catch(() => undefined);
  return target === undefined || basename(dirname(target)) !== 'blobs' ? undefined : basename(target);
}

export const isFile = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() ?? false;

/** Tells backup programs that this is a cache (bford.info/cachedir). */
async function tag(root: string): Promise<void> {
  const text = 'Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of models.\n';
  await writeFile(join(root, 'CACHEDIR.TAG'), text, { flag: 'wx' }).catch(() => {});
}
