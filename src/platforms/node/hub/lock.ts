/**
 * One process at a time downloads a file; the others wait and find it done. A lock names its process and is touched
 * while it is held, so that one whose process has died is broken: at once on the same computer, elsewhere after half a
 * minute. It only saves bandwidth: two holders would write files of their own and rename each.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { sleep } from '../../../hub/request.js';
import { isAbsent } from '../files.js';

const TOUCH_MS = 5_000;
const STALE_MS = 30_000;
/** A lock without content is being written, or its process died in between. */
const EMPTY_MS = 1_000;
const POLL_MS = 50;

/** @param work is told whether it had to wait, so that things may have changed */
export async function withLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: (waited: boolean) => Promise<T>,
): Promise<T> {
  const content = JSON.stringify({ id: randomUUID(), pid: process.pid, host: hostname() });
  await mkdir(dirname(path), { recursive: true });
  let waited = false;
  while (!(await take(path, content))) {
    waited = true;
    if (!(await breakStale(path))) await sleep(POLL_MS * (0.5 + Math.random()), signal);
  }
  const timer = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now).catch(() => {});
  }, TOUCH_MS);
  timer.unref();
  try {
    return await work(waited);
  } finally {
    clearInterval(timer);
    if ((await contentOf(path)) === content) await rm(path, { force: true }).catch(() => {});
  }
}

async function take(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx' });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw cause;
  }
}

const contentOf = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

/** Removes a lock whose holder is gone. Whether it is worth trying again at once. */
async function breakStale(path: string): Promise<boolean> {
  const found = await stat(path).catch((cause) => {
    if (isAbsent(cause)) return undefined;
    throw cause;
  });
  const content = await contentOf(path);
  if (found === undefined || content === undefined) return true;
  const age = Date.now() - found.mtimeMs;
  if (content === '' ? age < EMPTY_MS : age < STALE_MS && !holderIsDead(content)) return false;
  // Renaming succeeds for one of those who see the same. What comes away must be what was seen; a newer lock goes back.
  const aside = `${path}.${randomUUID()}`;
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return true;
  const got = await contentOf(aside);
  if (got !== content) await writeFile(path, got ?? '', { flag: 'wx' }).catch(() => {});
  await rm(aside, { force: true });
  return true;
}

function holderIsDead(content: string): boolean {
  try {
    const { pid, host } = JSON.parse(content);
    if (host !== hostname() || !Number.isSafeInteger(pid)) return false;
    process.kill(pid, 0);
    return false;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
