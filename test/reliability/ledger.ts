/**
 * What the runs of this folder found, for docs/reliability.md. With `RELIABILITY_RECORD=1` every ledger is written to
 * results/ when its file of tests is through; `npm run reliability` makes the page of them.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

export interface Entry {
  /** What was tried, in words. */
  what: string;
  /** Inputs, calls or faults. */
  tried: number;
  /** How many of them were taken for good; the rest was refused with a typed error. */
  accepted?: number;
  /** Milliseconds of the slowest. */
  worstMs?: number;
  /** MiB: the highest resident memory seen. */
  rssMiB?: number;
  seed?: number;
  note?: string;
}

const FOLDER = fileURLToPath(new URL('results/', import.meta.url));

export class Ledger {
  readonly #entries = new Map<string, Entry>();

  /** @param command repeats the run */
  constructor(name: string, command: string) {
    afterAll(() => {
      if (process.env.RELIABILITY_RECORD !== '1' || this.#entries.size === 0) return;
      mkdirSync(FOLDER, { recursive: true });
      const file = `${FOLDER}${name}.json`;
      // A run of some of the tests leaves what others have found.
      const before: Entry[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).entries : [];
      const entries = [...before.filter(({ what }) => !this.#entries.has(what)), ...this.#entries.values()];
      const where = `Node ${process.versions.node}, ${availableParallelism()} cores`;
      writeFileSync(file, `${JSON.stringify({ command, where, entries }, null, 2)}\n`);
    });
  }

  /** Adds to what stands under the same words already. */
  add({ what, ...entry }: Entry): void {
    const before = this.#entries.get(what);
    const merged: Entry = { what, ...before, ...entry };
    if (before !== undefined) {
      merged.tried += before.tried;
      if (entry.accepted !== undefined) merged.accepted = entry.accepted + (before.accepted ?? 0);
      for (const key of ['worstMs', 'rssMiB'] as const) {
        if (before[key] !== undefined) merged[key] = Math.max(before[key], entry[key] ?? 0);
      }
    }
    this.#entries.set(what, merged);
  }
}

/** Milliseconds that a call takes, and what came of it. */
export async function timed<T>(call: () => T | Promise<T>): Promise<{ ms: number; value?: T; error?: unknown }> {
  const begin = performance.now();
  try {
    const value = await call();
    return { ms: performance.now() - begin, value };
  } catch (error) {
    return { ms: performance.now() - begin, error };
  }
}

/** MiB. */
export const resident = (): number => process.memoryUsage().rss / 2 ** 20;
