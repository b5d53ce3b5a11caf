/** Servers as processes of their own, and what they cost. */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const SERVE = fileURLToPath(new URL('../dist/bin/serve.js', import.meta.url));
/** For {@link ServerProcess.memory}. */
export const HEAP_FLAGS = ['--import', fileURLToPath(new URL('heap.mjs', import.meta.url))];
/** Of the clock in /proc: Linux has 100 ticks a second everywhere that Node runs. */
const MS_PER_TICK = 10;

/**
 * Niceness. On few cores, a client that waits for its turn would measure the scheduler and not the server, so clients come
 * first; and all of them before whatever else the machine does.
 */
const PRIORITY = { server: -16, load: -19 };

/** Gives a process that has a session of its own this niceness. Linux lets only root do that; else things stay as they are. */
function prefer(pid, niceness) {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(niceness));
  } catch {}
}

/** A process of load.mjs: `run(how)` gives what came of its requests. */
export class Load {
  constructor() {
    this.child = fork(new URL('load.mjs', import.meta.url), { detached: true });
    prefer(this.child.pid, PRIORITY.load);
  }

  async run(how) {
    this.child.send(how);
    const [results] = await once(this.child, 'message');
    return results;
  }

  end() {
    this.child.kill();
  }
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export class ServerProcess {
  /** What it wrote; its log goes here and not to the terminal. */
  output = '';
  /** What heap.mjs measured, where that is loaded. */
  heaps = [];

  constructor(file, words, port, { node = process.execPath, env = {}, flags = [] } = {}) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.child = spawn(node, [...flags, file, ...words], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    prefer(this.child.pid, PRIORITY.server);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (text) => {
        this.output = (this.output + text).slice(-10_000);
        for (const [, heap] of String(text).matchAll(/^heap:(.*)$/gm)) this.heaps.push(JSON.parse(heap));
      });
    }
    this.exited = once(this.child, 'exit').then(([code, signal]) => ({ code, signal }));
  }

  /** Waits until it says so, as the peers do. */
  async listening() {
    while (!this.output.includes('listening')) {
      if (this.child.exitCode !== null) throw new Error(`the server did not start: ${this.output}`);
      await sleep(50);
    }
    return this;
  }

  /** Waits until it takes requests. */
  async ready() {
    while (this.child.exitCode === null) {
      const answers = await fetch(`${this.url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (answers) return this;
      await sleep(50);
    }
    throw new Error(`the server did not start: ${this.output}`);
  }

  /** CPU time in ms, user and system, of all its threads and of processes that it started. */
  cpu() {
    return cpuOf(this.child.pid);
  }

  /** Bytes of memory after garbage was collected: `{ heapUsed, external, arrayBuffers, rss }`. Needs {@link HEAP_FLAGS}. */
  async memory() {
    const before = this.heaps.length;
    this.kill('SIGWINCH');
    while (this.heaps.length === before && this.child.exitCode === null) await sleep(20);
    return { ...this.heaps.at(-1), rss: this.#resident() };
  }

  #resident() {
    const [, kilobytes] = readFileSync(`/proc/${this.child.pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB/m);
    return Number(kilobytes) * 1024;
  }

  kill(signal = 'SIGKILL') {
    this.child.kill(signal);
  }
}

function cpuOf(pid) {
  // The program's name, in parentheses, may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean),
  );
  return ticks * MS_PER_TICK + children.reduce((sum, child) => sum + cpuOf(child), 0);
}

/** Our server, built. */
export async function startOurs(words = [], options = {}) {
  const port = await freePort();
  const all = ['--port', String(port), '--log-level', 'warn', ...words];
  return new ServerProcess(SERVE, all, port, options).ready();
}
