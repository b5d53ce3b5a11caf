/** Processes of Node as places for engines. */
import { fork } from 'node:child_process';
import { shippedIn } from '../shipped.mjs';

/** @param node the binary; @param ours the folder of our package */
export function processes(node, ours) {
  const url = shippedIn(ours, node);
  return async ({ folder }) => ({
    start: async () =>
      new Child(fork(new URL('child.mjs', import.meta.url), { execPath: node, silent: true }), { folder, ours: url }),
    leave: async () => {},
  });
}

/** A process that answers messages. What is common to all calls is sent with each. */
export class Child {
  #process;
  #common;

  constructor(process, common) {
    this.#common = common;
    this.#process = process;
    this.#process.stderr.resume(); // tfjs greets on it
    this.#process.stdout.resume();
  }

  ask(call, options) {
    return new Promise((resolve, reject) => {
      const settle = ({ value, error }) => {
        this.#process.off('exit', gone);
        if (error === undefined) resolve(value);
        else reject(new Error(error));
      };
      const gone = (code, signal) => reject(new Error(`the process ended with ${signal ?? code}`));
      this.#process.once('message', settle);
      this.#process.once('exit', gone);
      this.#process.send({ call, ...this.#common, ...options });
    });
  }

  close() {
    this.#process.kill();
  }
}
