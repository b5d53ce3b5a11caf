/**
 * What the scripts of this folder share. Each is a runtime: it packs the package, installs it into an empty project as
 * docs/deploy.md says, line by line, and prints the label of examples/husky.png. A wrong label, or
 * none, ends it with exit code 1; a runtime that cannot be had on this machine with 0 and the word "skipped".
 *
 * By itself a script packs for itself; run.mjs packs once for all (RUNTIMES_TARBALL).
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What Python's transformers says of examples/husky.png too. */
export const EXPECTED = 'malamute, malemute, Alaskan malamute 0.823';
/** Without the score: what it says of examples/dog.jpg too. */
export const LABEL = EXPECTED.replace(/ [\d.]+$/, '');
export const PICTURE = 'husky.png';

/** A runtime that this machine cannot have. */
export class Skipped extends Error {}

/**
 * @typedef {object} Outcome
 * @property {string} version of the runtime or tool
 * @property {string} form how the package was taken there: its entry, the engine
 * @property {string} label "<label> <score>"
 * @property {number} [ms] from starting the program (or opening the page) to the label
 * @property {number} [bytes] that a user of the page downloads, gzipped, without weights and picture
 */

/** Packs the built package into a folder; gives the tarball's path. */
export function pack(folder) {
  // --ignore-scripts: what is packed is what was built, not built once more by every script.
  const words = ['pack', ROOT, '--ignore-scripts', '--json', '--pack-destination', folder];
  const [{ filename }] = JSON.parse(execFileSync('npm', words, { cwd: folder, encoding: 'utf8' }));
  return join(folder, filename);
}

/**
 * Runs a script's work in an empty project that goes when it ends, and reports.
 * @param {string} runtime its name
 * @param {(project: Project) => Promise<Outcome>} work
 */
export async function check(runtime, work) {
  const began = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'mobilenet-v2-'));
  const project = new Project(join(folder, 'project'));
  try {
    process.env.RUNTIMES_TARBALL ??= pack(folder);
    const outcome = await work(project);
    report({ runtime, ...outcome, seconds: (performance.now() - began) / 1000 });
    if (outcome.label !== EXPECTED) throw new Error(`expected ${EXPECTED}, got ${outcome.label}`);
  } catch (error) {
    if (error instanceof Skipped) report({ runtime, skipped: error.message });
    else {
      console.error(error);
      process.exitCode = 1;
    }
  } finally {
    await project.close();
    if (process.env.RUNTIMES_KEEP) console.log(`kept: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

/** One line for people, or one of JSON for run.mjs. */
function report(outcome) {
  if (process.env.RUNTIMES_JSON) return console.log(JSON.stringify(outcome));
  const { runtime, version, form, label, ms, bytes, seconds, skipped } = outcome;
  if (skipped) return console.log(`${runtime}: skipped, ${skipped}`);
  const figures = [ms && `${ms.toFixed(0)} ms`, bytes && `${bytes} bytes`, `${seconds.toFixed(1)} s in all`];
  console.log(`${runtime} ${version}, ${form}: ${label} (${figures.filter(Boolean).join(', ')})`);
}

const tarball = () => process.env.RUNTIMES_TARBALL;

/** The lines of all `sh` blocks of a section of docs/deploy.md. */
function commandsOf(section) {
  const text = readFileSync(join(ROOT, 'docs/deploy.md'), 'utf8');
  const found = text.split(/^## /m).find((part) => part.startsWith(`${section}\n`));
  if (found === undefined) throw new Error(`docs/deploy.md has no section ${section}`);
  return [...found.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) => block.trim().split('\n'));
}

class Project {
  #closing = [];

  constructor(path) {
    this.path = path;
    mkdirSync(path);
    // A folder without package.json is npm's own only where it has this; else it looks for one above, which /tmp may have.
    mkdirSync(join(path, 'node_modules'));
    this.copy(`examples/${PICTURE}`, PICTURE);
  }

  file(...names) {
    return join(this.path, ...names);
  }

  /** A folder of this one as a project of its own, far from node_modules. */
  away(folder) {
    const away = new Project(join(mkdtempSync(join(dirname(this.path), 'away-')), folder));
    cpSync(this.file(folder), away.path, { recursive: true });
    return away;
  }

  /** From the repository. */
  copy(from, to) {
    cpSync(join(ROOT, from), this.file(to), { recursive: true });
  }

  install(...packages) {
    this.run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...packages]);
  }

  versionOf(name) {
    return JSON.parse(readFileSync(this.file('node_modules', name, 'package.json'), 'utf8')).version;
  }

  /** Runs a command to its end; gives what it prints and how long it took. Throws where it fails, with all it said. */
  run(command, words, { env } = {}) {
    const began = performance.now();
    const options = { cwd: this.path, encoding: 'utf8', env: { ...process.env, ...env } };
    const { status, error, stdout, stderr } = spawnSync(command, words, options);
    const ms = performance.now() - began;
    if (error) throw error;
    if (status !== 0) throw new Error(`${command} ${words.join(' ')}: exit code ${status}\n${stdout}\n${stderr}`);
    return { stdout: stdout.trim(), ms };
  }

  /**
   * Does what a section of docs/deploy.md says: every line of its commands, in a shell, with the tarball in the place of the
   * package's name. `paths` are folders of programs that npm brings and people have otherwise; lines that `leaveOut`
   * matches are not run.
   * @returns what the last one printed, and how long it took; a line that `later` matches is given back, not run
   */
  follow(section, { paths = [], later, leaveOut } = {}) {
    const env = { PATH: [...paths, process.env.PATH].join(delimiter) };
    let last;
    for (const line of commandsOf(section)) {
      if (later?.test(line)) return { ...last, line };
      if (leaveOut?.test(line)) continue;
      // What is installed already costs npm no second look; without the funding and audit notes.
      const own = line.replace(
        /^npm install mobilenet-v2/,
        `npm install --no-audit --no-fund --prefer-offline ${tarball()}`,
      );
      last = this.run('/bin/sh', ['-c', own], { env });
    }
    return last;
  }

  /** Starts a command that runs until the project is closed. */
  start(command, words, { env } = {}) {
    const child = spawn(command, words, {
      cwd: this.path,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a group of its own, so that it ends with all that it has started
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
    const ended = new Promise((resolve) => child.on('close', resolve));
    this.#closing.push(() => {
      if (child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
      return ended;
    });
    return { said: () => said, ended, running: () => child.exitCode === null };
  }

  /** Waits until a server that was started answers. */
  async answers(origin, { running, said }) {
    for (let tries = 0; tries < 300 && running(); tries++) {
      if (
        await fetch(origin).then(
          () => true,
          () => false,
        )
      )
        return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`no answer from ${origin}: ${said()}`);
  }

  /** A folder of the project behind a URL of this machine; counts what a browser would download, gzipped. */
  async serve(folder, headers = {}) {
    const sent = new Map();
    const server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
      const file = normalize(this.file(folder, path.endsWith('/') ? `${path}index.html` : path));
      if (!file.startsWith(this.file(folder)) || !statSync(file, { throwIfNoEntry: false })?.isFile()) {
        return response.writeHead(404).end();
      }
      const body = readFileSync(file);
      sent.set(path, gzipSync(body).length);
      const type = TYPES[extname(file)] ?? 'application/octet-stream';
      response.writeHead(200, { 'content-type': type, ...headers }).end(body);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#closing.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    const isData = (path) => /\.(safetensors|bin|png|jpg|ico)$|config\.json$/.test(path);
    return {
      origin: `http://127.0.0.1:${server.address().port}`,
      codeBytes: () => [...sent].reduce((sum, [path, bytes]) => (isData(path) ? sum : sum + bytes), 0),
    };
  }

  /** Opens a page in Chromium and waits for its <output> to say something. */
  async open(url, use = async () => {}) {
    this.#browser ??= await launch();
    const context = await this.#browser.newContext();
    const page = await context.newPage();
    const faults = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    const began = performance.now();
    await page.goto(url);
    await use(page);
    const output = page.locator('output:not(:empty)');
    await output.waitFor({ timeout: 60_000 }).catch((error) => {
      throw new Error(`${error.message}\n${faults.join('\n')}`);
    });
    const label = await output.textContent();
    const ms = performance.now() - began;
    await context.close();
    return { label: label.trim(), ms, version: this.#browser.version(), faults };
  }
  #browser;

  async close() {
    await this.#browser?.close();
    for (const close of this.#closing.reverse()) await close();
  }
}

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
};

async function launch() {
  const { chromium } = await import('playwright-core');
  const executablePath = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((file) =>
    statSync(file, { throwIfNoEntry: false }),
  );
  if (executablePath === undefined) throw new Skipped('there is no Chromium here');
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', ...quiet] });
}

/** A program that npm carries as a package for this machine alone. */
export function machine(names) {
  const name = names[`${process.platform}-${process.arch}`];
  if (name === undefined) throw new Skipped(`npm carries no package of it for ${process.platform}-${process.arch}`);
  return name;
}

/** The last line that a program printed, without the file's name before the label. */
export function labelOf(stdout) {
  return stdout
    .split('\n')
    .at(-1)
    .replace(/^\S+: /, '');
}

/** Watches the threads of a program: its environment, and what is to be asked when it has computed some pictures. */
export function watchThreads(folder) {
  const file = join(folder, 'threads.txt');
  const preload = join(ROOT, 'test/runtimes/threads.cjs');
  return {
    env: { THREADS_FILE: file, NODE_OPTIONS: `--require=${preload}` },
    check() {
      const said = existsSync(file) ? readFileSync(file, 'utf8') : 'none was started';
      const expected = availableParallelism() > 1 ? /^(started\n)+$/ : /^none/;
      if (!expected.test(said)) throw new Error(`threads: ${said}`);
    },
  };
}
