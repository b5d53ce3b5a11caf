/** Pages that work by themselves and send what came of it, in browsers that nobody drives. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type OutgoingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { listen } from '../helpers/loopback.js';

const TYPES: Record<string, string> = {
  '': 'text/html; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
};

/** Opens an address in a browser of its own. @returns what ends it */
export type Open = (address: string) => Promise<() => Promise<void>>;

/**
 * Opens a page and waits for what it posts.
 * @param read a file of its server, by path; throws for a path without a file
 */
export async function reportOf<T>(
  open: Open,
  page: string,
  read: (path: string) => string | Uint8Array,
  headers: OutgoingHttpHeaders = {},
): Promise<T> {
  let settle!: (report: T) => void;
  const report = new Promise<T>((resolve) => {
    settle = resolve;
  });
  const server = createServer(async (request, response) => {
    if (request.method === 'POST') {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      response.end();
      return settle(JSON.parse(Buffer.concat(chunks).toString()));
    }
    try {
      const { pathname } = new URL(request.url!, 'http://localhost');
      const body = read(pathname);
      response.writeHead(200, { 'content-type': TYPES[extname(pathname)] ?? 'application/octet-stream', ...headers });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  const { port, close } = await listen(server);
  try {
    const end = await open(`http://localhost:${port}${page}`);
    return await report.finally(end);
  } finally {
    await close();
  }
}

/** Removes a browser's folder. Child processes of the browser end a moment later and still write into it. */
function remove(profile: string): void {
  try {
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  } catch (cause) {
    console.warn(`${profile} stays: ${(cause as Error).message}`);
  }
}

function openIn(command: string, flags: (profile: string) => string[]): Open {
  return async (address) => {
    const profile = mkdtempSync(join(tmpdir(), 'mobilenet-v2-browser-'));
    const browser = spawn(command, [...flags(profile), address], { stdio: 'ignore' });
    return async () => {
      const ended = once(browser, 'exit');
      browser.kill('SIGKILL');
      await ended;
      remove(profile);
    };
  };
}

export const openInChromium = (command: string): Open =>
  openIn(command, (profile) => ['--headless', '--no-sandbox', `--user-data-dir=${profile}`]);

/** @param preferences as `"name", value` */
export const openInFirefox = (command: string, ...preferences: string[]): Open =>
  openIn(command, (profile) => {
    const lines = ['"browser.shell.checkDefaultBrowser", false', ...preferences].map((one) => `user_pref(${one});\n`);
    writeFileSync(join(profile, 'user.js'), lines.join(''));
    return ['--headless', '--no-remote', '--profile', profile];
  });
