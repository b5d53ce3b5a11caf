/** How many pictures are under way at a time. Who comes first gets in first, so a shard ends before the next one fills the lane. */
export class Lane {
  readonly width: number;
  #free: number;
  readonly #waiting: { weight: number; enter(): void }[] = [];
  #room: (() => void)[] = [];

  /** @param width pictures at a time */
  constructor(width: number) {
    this.width = width;
    this.#free = width;
  }

  /** @param weight `width` to be alone */
  async run<T>(work: () => Promise<T>, weight = 1): Promise<T> {
    if (this.#waiting.length > 0 || this.#free < weight) {
      await new Promise<void>((enter) => this.#waiting.push({ weight, enter }));
    } else this.#free -= weight;
    try {
      return await work();
    } finally {
      this.#free += weight;
      this.#admit();
    }
  }

  /** Resolves when a picture could begin at once. */
  async room(): Promise<void> {
    while (this.#waiting.length > 0 || this.#free === 0) await new Promise<void>((tell) => this.#room.push(tell));
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#waiting[0].weight <= this.#free) {
      const { weight, enter } = this.#waiting.shift()!;
      this.#free -= weight;
      enter();
    }
    if (this.#waiting.length > 0 || this.#free === 0) return;
    const [tell] = this.#room.splice(0, 1); // one: with what it begins, the lane may be full again
    tell?.();
  }
}
