/** The wish to end: the first SIGINT or SIGTERM lets shards under way be finished, the second ends the process at once. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

export class Stop {
  readonly #controller = new AbortController();
  /** As a shell has it for a process that a signal ended; 0 while none came. */
  exitCode = 0;

  /** @param say hears what happens now */
  listen(say: (text: string) => void): void {
    for (const [signal, code] of Object.entries(SIGNALS)) {
      process.on(signal, () => {
        if (this.requested) process.exit(code);
        this.exitCode = code;
        say(`${signal}: the shards under way are finished; once more ends at once`);
        this.#controller.abort();
      });
    }
  }

  request(): void {
    this.#controller.abort();
  }

  get requested(): boolean {
    return this.#controller.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }
}
