/** Runs the command line as its users do, in a process of its own. build.ts has made the JavaScript for it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What `bin` in package.json names. */
export const CLI = join(ROOT, 'dist/bundle/cli.js');

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  cwd?: string;
  /** Options of Node's own, before the program. */
  node?: readonly string[];
  /** Null leaves standard input open. */
  stdin?: string | Uint8Array | null;
  /** Called with all of standard output so far each time there is more, and with the process. */
  watch?: (stdout: string, child: ChildProcess) => void;
}

/** `mobilenet-v2 …args`. */
export function cli(
  args: readonly string[],
  { cwd = ROOT, node = [], stdin = '', watch }: CliOptions = {},
): Promise<CliResult> {
  const child = spawn(process.execPath, [...node, CLI, ...args], { cwd });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    watch?.(stdout, child);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => {}); // it may end without reading
  if (stdin !== null) child.stdin.end(stdin);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** An empty folder that goes when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
