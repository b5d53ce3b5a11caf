/** Locks of the cache: whose holder is dead, whose time is wrong, and what is no lock. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { beforeEach, describe, expect, it } from 'vitest';
import { withLock } from '../../../../src/platforms/node/hub/lock.js';
import { temporaryFolder } from '../../../helpers/cli.js';

let folder: string;
let lock: string;
beforeEach(() => {
  folder = temporaryFolder();
  lock = join(folder, 'file.mv2-lock');
});

const someone = (fields: object) => JSON.stringify({ id: 'x', pid: 1, thread: 0, host: 'another computer', ...fields });
const take = (staleMs?: number) => withLock(lock, undefined, async (waited) => waited, staleMs);

describe('a lock', () => {
  it('whose time lies ahead is broken when nobody has touched it for a while', async () => {
    writeFileSync(lock, someone({}));
    const ahead = new Date(Date.now() + 365 * 86_400_000);
    utimesSync(lock, ahead, ahead);
    expect(await take(300)).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('whose time lies ahead is waited for while its holder touches it', async () => {
    writeFileSync(lock, someone({}));
    let touches = 0;
    const timer = setInterval(() => {
      const ahead = new Date(Date.now() + 86_400_000 + ++touches * 1000);
      utimesSync(lock, ahead, ahead);
      if (touches === 30) clearInterval(timer);
    }, 50);
    const given = new AbortController();
    const waiting = withLock(lock, given.signal, async () => 'taken', 1000);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(touches).toBeGreaterThan(5);
    given.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    clearInterval(timer);
  });

  it('of a killed run that had our number, as in a container, is broken at once', async () => {
    writeFileSync(lock, someone({ pid: process.pid, thread: threadId, host: hostname() }));
    expect(await take()).toBe(true);
  });

  it('that this process holds itself is waited for', async () => {
    const order: string[] = [];
    const hold = (name: string, ms: number) =>
      withLock(lock, undefined, async () => {
        order.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, ms));
        order.push(`${name} ends`);
      });
    const first = hold('first', 300);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await Promise.all([first, hold('second', 0)]);
    expect(order).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
  });

  it.skipIf(process.platform === 'win32')('that is a pipe or a folder is broken in time', async () => {
    execFileSync('mkfifo', [lock]);
    expect(await take(200)).toBe(true);
    mkdirSync(lock);
    expect(await take(200)).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });
});
