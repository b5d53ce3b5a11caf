/** The end of a request that nothing comes for. */
import { env } from './env.js';

/** Aborted when its caller aborts, or when nothing has come for `env.network.timeout`. */
export class IdleTimeout {
  readonly #abort = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #reason: (message: string) => Error;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param reason makes the error of which the message says how long it was waited */
  constructor(caller: AbortSignal | undefined, reason: (message: string) => Error) {
    caller?.throwIfAborted();
    this.#caller = caller;
    this.#reason = reason;
    caller?.addEventListener('abort', this.#giveUp);
    this.touch();
  }

  readonly #giveUp = () => this.#abort.abort(this.#caller?.reason);

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Something has come: the time starts anew. */
  touch(): void {
    clearTimeout(this.#timer);
    const { timeout } = env.network;
    this.#timer = setTimeout(() => this.#abort.abort(this.#reason(`nothing came for ${timeout / 1000} s`)), timeout);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener('abort', this.#giveUp);
  }
}
