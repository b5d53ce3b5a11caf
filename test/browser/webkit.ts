/** WebKitGTK, driven by its own WebDriver on a screen that nobody sees. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBrowser } from './chromium.js';
import type { Open } from './report.js';

/** Where distributions put what nobody starts by name. */
const FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/libexec', '/usr/lib'];

/** Debian's packages webkit2gtk-driver and xvfb have all three. */
interface Programs {
  driver: string;
  screen: string;
  browser: string;
}

export function findWebKit(): Programs | undefined {
  const driver = findBrowser('WebKitWebDriver');
  const screen = findBrowser('Xvfb');
  const browser = FOLDERS.map((folder) => join(folder, 'webkit2gtk-4.1/MiniBrowser')).find((file) => existsSync(file));
  if (driver === undefined || screen === undefined) return undefined;
  if (browser === undefined) console.log('no MiniBrowser of webkit2gtk-4.1: the tests in it are left out');
  return browser === undefined ? undefined : { driver, screen, browser };
}

/** Keys by their names in WebDriver. */
export const KEYS = { Tab: '\uE004', Enter: '\uE007', Escape: '\uE00C', ArrowRight: '\uE014', ArrowDown: '\uE015' };

export interface WebKit {
  open(address: string): Promise<void>;
  /** The value of an expression in the page, awaited. It travels as JSON. */
  evaluate<T>(expression: string): Promise<T>;
  click(selector: string): Promise<void>;
  /** Types into an element; into a field of files, their paths. */
  type(selector: string, text: string): Promise<void>;
  /** Presses a key where the focus is. */
  press(key: string): Promise<void>;
  /** Of the page itself, without the window around it. */
  resize(width: number, height: number): Promise<void>;
  close(): Promise<void>;
}

export interface WebKitOptions {
  /** Of MiniBrowser. */
  flags?: string[];
  /** Variables of its environment. */
  variables?: Record<string, string>;
}

/** What is off in WebKitGTK 2.50, and on in Safari: the page's private file system, and memory that threads share. */
export const AS_SAFARI: WebKitOptions = {
  flags: ['--features=+FileSystem,+StorageAPI,+AccessHandle,+FileSystemWritableStream'],
  variables: { JSC_useSharedArrayBuffer: '1' },
};

/** Without a window manager the buttons above the page would keep a window from the width of a phone. */
const NO_TOOLBAR = '* { padding: 0; margin: 0; min-width: 0; border-width: 0; font-size: 1px; }';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

/** Starts a screen. @returns its name */
async function startScreen(program: string, started: ChildProcess[]): Promise<string> {
  const flags = ['-displayfd', '1', '-screen', '0', '1400x1000x24', '-nolisten', 'tcp'];
  const screen = spawn(program, flags, { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
  started.push(screen);
  const [number] = await once(screen.stdout!, 'data');
  return `:${String(number).trim()}`;
}

/** One command of WebDriver, and its answer. */
type Command = <T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) => Promise<T>;

function commands(port: number): Command {
  return async (method, path, body) => {
    const request = { method, body: body === undefined ? null : JSON.stringify(body) };
    const { value } = await (await fetch(`http://127.0.0.1:${port}${path}`, request)).json();
    if (value?.error) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  };
}

async function ready(command: Command, driver: ChildProcess): Promise<void> {
  for (;;) {
    if (driver.exitCode !== null) throw new Error(`WebKitWebDriver ended with ${driver.exitCode}`);
    try {
      return await command('GET', '/status');
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

interface Place {
  start(program: string, flags: string[]): ChildProcess;
  end(): Promise<void>;
}

/** A screen, and a home for the programs that are started there. */
async function makePlace(screen: string, variables: Record<string, string> = {}): Promise<Place> {
  const home = mkdtempSync(join(tmpdir(), 'mobilenet-v2-webkit-'));
  mkdirSync(join(home, 'gtk-3.0'));
  writeFileSync(join(home, 'gtk-3.0/gtk.css'), NO_TOOLBAR);
  const homes = { HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home };
  // The sandbox of WebKitGTK does not start for root, nor without D-Bus.
  const quiet = { NO_AT_BRIDGE: '1', GIO_USE_VFS: 'local', WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' };
  const started: ChildProcess[] = [];
  const env = { ...process.env, ...homes, ...quiet, ...variables, DISPLAY: await startScreen(screen, started) };
  return {
    start(program, flags) {
      const child = spawn(program, flags, { env, stdio: 'ignore', detached: true });
      started.push(child);
      return child;
    },
    async end() {
      for (const one of started.reverse()) {
        if (one.exitCode !== null) continue;
        const ended = once(one, 'exit');
        process.kill(-one.pid!, 'SIGKILL'); // with all that it started
        await ended;
      }
      rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

/** Starts a browser that nobody drives; what a page keeps lasts until it ends. */
export const openInWebKit =
  ({ screen, browser }: Programs, { flags = [], variables }: WebKitOptions): Open =>
  async (address) => {
    const { start, end } = await makePlace(screen, variables);
    start(browser, [...flags, address]);
    return end;
  };

/** Starts a browser with its driver. Its window is a private one. */
export async function startWebKit(programs: Programs, { flags = [], variables }: WebKitOptions = {}): Promise<WebKit> {
  const { start, end } = await makePlace(programs.screen, variables);
  try {
    const port = await freePort();
    const driver = start(programs.driver, [`--port=${port}`]);
    const command = commands(port);
    await ready(command, driver);
    const options = { binary: programs.browser, args: ['--automation', ...flags] };
    const alwaysMatch = { 'webkitgtk:browserOptions': options, timeouts: { script: 600_000 } };
    const { sessionId } = await command<{ sessionId: string }>('POST', '/session', { capabilities: { alwaysMatch } });
    return session(command, `/session/${sessionId}`, end);
  } catch (error) {
    await end();
    throw error;
  }
}

function session(command: Command, at: string, end: () => Promise<void>): WebKit {
  const element = async (selector: string) => {
    const found = await command<object>('POST', `${at}/element`, { using: 'css selector', value: selector });
    return `${at}/element/${Object.values(found)[0]}`;
  };
  const evaluate = async <T>(expression: string) => {
    // As text, since the driver would change the order of keys.
    const script = `const done = (outcome) => arguments[0](JSON.stringify(outcome));
      (async () => (${expression}))().then((value) => done({ value }), (error) => done({ error: String(error) }));`;
    const { value, error } = JSON.parse(await command<string>('POST', `${at}/execute/async`, { script, args: [] }));
    if (error !== undefined) throw new Error(error);
    return value as T;
  };
  return {
    evaluate,
    open: (url) => command('POST', `${at}/url`, { url }),
    click: async (selector) => command('POST', `${await element(selector)}/click`, {}),
    type: async (selector, text) => command('POST', `${await element(selector)}/value`, { text }),
    press(key) {
      const actions = ['keyDown', 'keyUp'].map((type) => ({ type, value: key }));
      return command('POST', `${at}/actions`, { actions: [{ type: 'key', id: 'keyboard', actions }] });
    },
    async resize(width, height) {
      await command('POST', `${at}/window/rect`, { width, height });
      const [w, h] = await evaluate<number[]>('[innerWidth, innerHeight]');
      await command('POST', `${at}/window/rect`, { width: 2 * width - w, height: 2 * height - h });
    },
    async close() {
      await command('DELETE', at).catch(() => {}); // it ends in any case
      await end();
    },
  };
}
