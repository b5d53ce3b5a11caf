/**
 * File names that are not UTF-8. Linux has any bytes in a name; Node shows those that are no UTF-8 as U+FFFD, on the command
 * line and in the listing of a folder, and such a text names no file. Here the file itself is found again.
 */
import { readdir } from 'node:fs/promises';
import { MobileNetError } from '../../base/errors.js';

const REPLACED = '\uFFFD';

/**
 * What opens the file that Node shows as `path`: the path itself, or its bytes where they are not UTF-8.
 * @throws MobileNetError ARG where several files look the same, so that none is opened in the place of another
 */
export async function onDisk(path: string): Promise<string | Buffer> {
  if (!path.includes(REPLACED) || process.platform === 'win32') return path;
  let found = Buffer.from(path.startsWith('/') ? '/' : '.');
  for (const part of path.split('/').filter((each) => each !== '')) {
    const name = part.includes(REPLACED) ? await nameIn(found, part, path) : Buffer.from(part);
    found = Buffer.concat([found, Buffer.from('/'), name]);
  }
  return found;
}

/** The bytes of the one name in a folder that is shown as `part`; `part` itself where no name is. */
async function nameIn(folder: Buffer, part: string, path: string): Promise<Buffer> {
  const names = await readdir(folder, { encoding: 'buffer' }).catch(() => []);
  const alike = names.filter((name) => name.toString() === part);
  if (alike.length <= 1) return alike[0] ?? Buffer.from(part);
  const message = `${path}: ${alike.length} files have this name, for it is not UTF-8 and is shown with ${REPLACED}; nothing was opened; rename them`;
  throw new MobileNetError('ARG', message, { file: path });
}
