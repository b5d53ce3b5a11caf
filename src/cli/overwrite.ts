/** No file is overwritten without asking: a person at a terminal is asked, a script has to say `--force`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { UsageError } from './errors.js';
import type { Session } from './session.js';
import { printable } from './text.js';

/** Where the question goes and the answer comes from. */
export interface Terminal {
  input: NodeJS.ReadableStream & { isTTY?: boolean };
  output: NodeJS.WritableStream & { isTTY?: boolean };
}

const TERMINAL: Terminal = { input: process.stdin, output: process.stderr };

/**
 * Whether files may be written into a folder.
 * @param names that would be written
 * @throws UsageError where some are there already and nobody can be asked
 */
export async function mayOverwrite(
  folder: string,
  names: readonly string[],
  session: Session,
  { input, output }: Terminal = TERMINAL,
): Promise<boolean> {
  const there = names.filter((name) => existsSync(join(folder, name)));
  if (there.length === 0) return true;
  const what = `${printable(folder)} has ${there.join(', ')} already`;
  if (!input.isTTY || !output.isTTY) throw new UsageError(`${what}; --force overwrites, or name another folder`);
  // Not as a terminal: it stays in its usual mode, so that Ctrl-C is a signal, as everywhere.
  const lines = createInterface({ input, terminal: false });
  output.write(`${what}. Overwrite? [y/N] `);
  try {
    const answer = new Promise<string>((resolve) => lines.once('line', resolve).once('close', () => resolve('')));
    return /^\s*y(es)?\s*$/i.test(await session.unlessStopped(answer));
  } finally {
    lines.close();
  }
}
