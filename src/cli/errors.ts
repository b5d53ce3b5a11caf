/** What the command line says about an error, and which exit code it ends with. */
import { MobileNetError } from '../entries/main-node.js';
import { inFlags } from './language.js';
import { printable, printableLines } from './text.js';

export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** The command itself cannot be: exit code 2. */
export class UsageError extends Error {}

/** A file named by a flag could not be read: `--labels: names.txt: no such file or directory`. */
export function unreadable(flag: string, path: string, error: unknown): UsageError {
  if (error instanceof MobileNetError) return new UsageError(`${flag}: ${inFlags(error.message)}`);
  const [, reason = String(error)] = /^\w+: ([^,]+)/.exec((error as Error).message) ?? [];
  return new UsageError(`${flag}: ${path}: ${reason}`);
}

/** One error as a record of the JSON forms has it. */
export interface ErrorRecord {
  code: string;
  message: string;
}

export function describeError(error: unknown): ErrorRecord {
  if (error instanceof MobileNetError) return { code: error.code, message: inFlags(error.message) };
  if (error instanceof UsageError) return { code: 'USAGE', message: error.message };
  if (isSystemError(error)) return { code: error.code, message: error.message };
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { code: 'INTERNAL', message: `internal error, please report it with what --debug prints: ${message}` };
}

/** An error of the operating system, such as a full disk, in contrast to a fault of this program. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return error instanceof Error && 'syscall' in error && typeof (error as NodeJS.ErrnoException).code === 'string';
}

/** The line for standard error. A stack trace is for those who ask for it. */
export function errorLine(
  error: unknown,
  { file, debug }: { file?: string; debug?: boolean | undefined } = {},
): string {
  const { message } = describeError(error);
  // Most messages of the library begin with the file already.
  const where = file === undefined || message.includes(file) ? '' : `${printable(file)}: `;
  const trace = debug && error instanceof Error ? `\n${printableLines(String(error.stack))}` : '';
  return `mobilenet-v2: ${where}${printable(message)}${trace}\n`;
}
