/** One run of the command line: its exit code, and the wish of the user to end it early. */
import { unlessAborted } from '../base/abort.js';
import { EXIT } from './errors.js';

/** Exit codes as a shell has them for a process that ended by the signal. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** Thrown at the next safe place after a signal: between two batches, or while waiting for a file or the network. */
export class Stopped extends Error {}

export class Session {
  exitCode: number = EXIT.ok;
  readonly #stop = new AbortController();

  /** The first signal ends the run in order; a second one ends it at once. */
  listen(): void {
    for (const [signal, code] of Object.entries(SIGNALS)) {
      process.on(signal, () => {
        if (this.#stop.signal.aborted) process.exit(code);
        this.exitCode = code;
        this.#stop.abort(new Stopped());
      });
    }
  }

  /** Aborted with Stopped when the run is to end: for downloads, and for work that would hold the thread. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The promise's result, or Stopped, whichever is first. */
  unlessStopped<T>(promise: Promise<T>): Promise<T> {
    return unlessAborted(promise, this.#stop.signal);
  }
}
