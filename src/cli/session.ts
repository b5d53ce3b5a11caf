/** One run of the command line: its exit code, and the wish of the user to end it early. */
import { unlessAborted } from '../base/abort.js';
import { EXIT } from './errors.js';

/** Exit codes as a shell has them for a process that ended by the signal. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** Milliseconds of that moment. */
const GRACE_MS = 300;

/** Thrown at the next safe place after a signal: between two batches, or while waiting for a file or the network. */
export class Stopped extends Error {}

export class Session {
  exitCode: number = EXIT.ok;
  /** Milliseconds to end in order; more where much is to be saved. */
  grace = GRACE_MS;
  readonly #stop = new AbortController();

  /** The first signal ends the run in order; a second one ends it at once. */
  listen(): void {
    for (const [signal, code] of Object.entries(SIGNALS)) {
      process.on(signal, () => {
        if (this.#stop.signal.aborted) {
          // A bar that is drawn has hidden the cursor and switched off the wrapping of lines.
          if (process.stderr.isTTY) process.stderr.write('\x1b[?7h\x1b[?25h');
          process.exit(code);
        }
        this.exitCode = code;
        this.#stop.abort(new Stopped());
      });
    }
  }

  /** Aborted with Stopped when the run is to end: for downloads, and for work that would hold the thread. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * The result of the whole run. What in it hears a signal by itself has a moment to end in order, as an array of JSON does;
   * whatever does not, such as a wait for a list of pictures, is left.
   */
  async untilStopped<T>(run: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      this.signal.addEventListener('abort', () => {
        timer = setTimeout(() => reject(this.signal.reason), this.grace);
      });
    });
    try {
      return await Promise.race([run, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The promise's result, or Stopped, whichever is first. */
  unlessStopped<T>(promise: Promise<T>): Promise<T> {
    return unlessAborted(promise, this.#stop.signal);
  }
}
