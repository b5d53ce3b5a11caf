/** How many are under way at a time, and the notes on shards that killed a process. */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Attempt } from '../../src/batch/attempts.js';
import { Lane } from '../../src/batch/lane.js';
import { openStore } from '../../src/batch/stores/store.js';
import { temporaryFolder } from './helpers.js';

describe('a lane', () => {
  it('lets in as many as are free, in their order, and one alone where it asks for it', async () => {
    const lane = new Lane(2);
    const log: string[] = [];
    const ends: (() => void)[] = [];
    const work = (name: string) => () =>
      new Promise<void>((resolve) => {
        log.push(name);
        ends.push(resolve);
      });
    const all = [lane.run(work('a')), lane.run(work('b')), lane.run(work('alone'), 2), lane.run(work('c'))];
    let room = false;
    const waiting = lane.room().then(() => {
      room = true;
    });
    for (const expected of [
      ['a', 'b'],
      ['a', 'b'],
      ['a', 'b', 'alone'],
      ['a', 'b', 'alone', 'c'],
    ]) {
      expect(log).toEqual(expected);
      expect(room).toBe(expected.includes('c')); // beside c is a place
      ends.shift()?.();
      if (expected.length < 4) await turn();
    }
    await Promise.all([...all, waiting]);
    expect(room).toBe(true);
  });

  it('goes on after an error', async () => {
    const lane = new Lane(1);
    const failing = lane.run(() => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(await lane.run(async () => 1)).toBe(1);
  });
});

describe('notes on a shard', () => {
  const store = openStore(temporaryFolder());
  /** One try that dies while picture `at` runs alone, or anywhere where it is not done with care. */
  const dyingTry = async (stem: string, at: number) => {
    const attempt = await Attempt.begin(store, stem);
    if (!attempt.careful) return;
    for (const n of attempt.order(5)) {
      if (attempt.isCrashed(n)) continue;
      await attempt.alone(n);
      if (n === at) return;
      await attempt.lived(n);
    }
    throw new Error('it lived');
  };

  it('leave a picture out that killed the process alone, three times in a row', async () => {
    for (let tries = 0; tries < 2; tries++) await dyingTry('killer', 3); // anywhere
    for (let tries = 0; tries < 3; tries++) {
      await dyingTry('killer', 3);
    }
    const last = await Attempt.begin(store, 'killer');
    expect(last.careful).toBe(true);
    expect([0, 1, 2, 3, 4].filter((n) => last.isCrashed(n))).toEqual([3]);
    await last.end();
    expect((await Attempt.begin(store, 'killer')).careful).toBe(false);
  });

  it('suspect no picture for long that happened to run when processes were killed', async () => {
    for (const at of [0, 0, 3, 0, 3, 0, 3, 1, 3, 2]) await dyingTry('innocent', at);
    const last = await Attempt.begin(store, 'innocent');
    expect([0, 1, 2, 3, 4].filter((n) => last.isCrashed(n))).toEqual([]);
    expect(last.order(4)).toEqual([2, 0, 1, 3]);
  });
});
