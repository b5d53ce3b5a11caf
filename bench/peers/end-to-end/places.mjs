/** Where engines run: processes of Node and of Python, and frames of a page. Each has `ask(call, options)` and `close()`. */
import { fork, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pages } from '../browser/pages.mjs';
import { Child } from '../node.mjs';

/** @param options `{ node, python, ours, image, folder, task }` */
export const processes = ({ node, python, task, ...common }) => ({
  start: async (engine) =>
    engine.python
      ? new Python(python, { task, folder: common.folder })
      : new Child(fork(new URL('child.mjs', import.meta.url), { execPath: node, silent: true }), common),
  leave: async () => {},
});

/** @param options `{ executable, networks, ours }`: as `serve` has them */
export const frames = (options, network) =>
  pages({ ...options, isolated: true, source: fileURLToPath(new URL('.', import.meta.url)) })({ name: network });

class Python {
  #process;
  #common;
  #answers;

  constructor(python, common) {
    this.#common = common;
    const script = fileURLToPath(new URL('python.py', import.meta.url));
    this.#process = spawn(python, [script], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#process.on('error', () => {});
    const lines = createInterface({ input: this.#process.stdout });
    this.#answers = (async function* () {
      for await (const line of lines) if (line.startsWith('\x1e')) yield JSON.parse(line.slice(1));
    })();
  }

  async ask(call, { path, budget }) {
    this.#process.stdin.write(`${JSON.stringify({ call, ...this.#common, path, budget })}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('Python ended');
    if (value.error !== undefined) throw new Error(value.error);
    return value.value;
  }

  close() {
    this.#process.kill();
  }
}
