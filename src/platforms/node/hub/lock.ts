/**
 * One process at a time downloads a file; the others wait and find it done. A lock names its process and is touched
 * while it is held, so that one whose process has died is broken: at once on the same computer, elsewhere after half a
 * minute. It only saves bandwidth: two holders would write files of their own and rename each.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { threadId } from 'node:worker_threads';
import { sleep } from '../../../hub/request.js';
import { isAbsent } from '../files.js';
import { readWhole } from '../reading.js';

const TOUCH_MS = 5_000;
const STALE_MS = 30_000;
/** A lock without content is being written, or its process died in between. */
const EMPTY_MS = 1_000;
const POLL_MS = 50;
/** Bytes of a lock, which takes 150. */
const LONGEST = 4096;

/** The locks of this thread. */
const held = new Set<string>();

/**
 * @param work is told whether it had to wait, so that things may have changed
 * @param staleMs after which a lock that nobody touches is broken
 */
export async function withLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: (waited: boolean) => Promise<T>,
  staleMs = STALE_MS,
): Promise<T> {
  const id = randomUUID();
  const content = JSON.stringify({ id, pid: process.pid, thread: threadId, host: hostname() });
  await mkdir(dirname(path), { recursive: true });
  let waited = false;
  const seen: Seen = { mark: '', since: 0 };
  while (!(await take(path, content))) {
    waited = true;
    if (!(await breakStale(path, seen, staleMs))) await sleep(POLL_MS * (0.5 + Math.random()), signal);
  }
  held.add(id);
  const timer = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now).catch(() => {});
  }, TOUCH_MS);
  timer.unref();
  try {
    return await work(waited);
  } finally {
    clearInterval(timer);
    held.delete(id);
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

/** Undefined for what is gone, or is no lock. */
async function contentOf(path: string): Promise<string | undefined> {
  const bytes = await readWhole(path, undefined, LONGEST).catch(() => undefined);
  return bytes && new TextDecoder().decode(bytes);
}

/** A lock as it was seen, and when it was first seen so. */
interface Seen {
  mark: string;
  since: number;
}

/** Removes a lock whose holder is gone. Whether it is worth trying again at once. */
async function breakStale(path: string, seen: Seen, staleMs: number): Promise<boolean> {
  const found = await stat(path).catch((cause) => {
    if (isAbsent(cause)) return undefined;
    throw cause;
  });
  if (found === undefined) return true;
  const content = await contentOf(path);
  const mark = `${found.ino} ${found.mtimeMs} ${content}`;
  if (mark !== seen.mark) Object.assign(seen, { mark, since: performance.now() });
  // Clocks differ, and are set back: a lock whose time lies ahead is as old as it has been seen unchanged.
  const age = Math.max(Date.now() - found.mtimeMs, performance.now() - seen.since);
  const stale = content === '' ? age >= Math.min(EMPTY_MS, staleMs) : age >= staleMs || holderIsDead(content);
  if (!stale) return false;
  // Renaming succeeds for one of those who see the same. What comes away must be what was seen; a newer lock goes back.
  const aside = `${path}.${randomUUID()}`;
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return true;
  const got = await contentOf(aside);
  if (got !== content) await writeFile(path, got ?? '', { flag: 'wx' }).catch(() => {});
  await rm(aside, { force: true, recursive: true });
  return true;
}

function holderIsDead(content = ''): boolean {
  try {
    const { id, pid, thread, host } = JSON.parse(content);
    if (host !== hostname() || !Number.isSafeInteger(pid)) return false;
    // In a container the number of every run is the same: ours, and yet not ours.
    if (pid === process.pid) return thread === threadId && !held.has(id);
    process.kill(pid, 0);
    return false;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
