/**
 * Notes on a shard that is under way, beside its results. A worker that dies is noticed by its pool; these are for a picture that
 * takes the whole process with it, as one that the system ends for want of memory. Whoever takes the shard up next reads them.
 *
 * Processes are also killed for no fault of a picture's. So a shard is done with care only from its third try on: one picture at
 * a time, each named in the note before it begins. The one that was named when the process died goes first, and alone, the
 * next time. Three such deaths in a row, and the picture gets a record that says CRASHED.
 */
import type { Store } from './stores/store.js';

const CAREFUL_FROM = 2;
const DEATHS_OF_ONE = 3;

interface Note {
  /** Tries that ended without an end. */
  deaths: number;
  /** The picture that runs alone, by its number in the shard. */
  at: number | null;
  /** The picture that was running when the last ones ended, and how many times in a row. */
  suspect: { picture: number; deaths: number } | null;
  /** Pictures that are not to be tried again. */
  crashed: number[];
}

const FRESH: Note = { deaths: 0, at: null, suspect: null, crashed: [] };

export class Attempt {
  readonly #store: Store;
  readonly #file: string;
  readonly #note: Note;

  private constructor(store: Store, file: string, note: Note) {
    this.#store = store;
    this.#file = file;
    this.#note = { ...note };
  }

  /** Notes that the shard is begun. @param stem the shard's name */
  static async begin(store: Store, stem: string): Promise<Attempt> {
    const file = `running/${stem}.json`;
    const earlier = await store.read(file);
    const note = earlier === null ? FRESH : afterDeath(parse(earlier));
    const attempt = new Attempt(store, file, note);
    await attempt.#write();
    return attempt;
  }

  /** Whether pictures run one at a time. */
  get careful(): boolean {
    return this.#note.deaths >= CAREFUL_FROM;
  }

  isCrashed(picture: number): boolean {
    return this.#note.crashed.includes(picture);
  }

  /** Of so many pictures, the order in which they are to run. */
  order(pictures: number): number[] {
    const first = this.#note.suspect?.picture ?? 0;
    return Array.from({ length: pictures }, (_, n) => n).sort(
      (a, b) => Number(b === first) - Number(a === first) || a - b,
    );
  }

  /** Before a picture runs alone. */
  async alone(picture: number): Promise<void> {
    this.#note.at = picture;
    await this.#write();
  }

  /** It lived. */
  async lived(picture: number): Promise<void> {
    this.#note.at = null;
    if (this.#note.suspect?.picture !== picture) return;
    this.#note.suspect = null;
    await this.#write();
  }

  /** The shard is done, or was left in order. */
  async end(): Promise<void> {
    await this.#store.remove(this.#file);
  }

  async #write(): Promise<void> {
    await this.#store.put(this.#file, new TextEncoder().encode(JSON.stringify(this.#note)));
  }
}

function parse(bytes: Uint8Array): Note {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return FRESH;
  }
}

/** What the note of a try that did not end says to the next. */
function afterDeath({ deaths, at, suspect, crashed }: Note): Note {
  const note: Note = { deaths: deaths + 1, at: null, suspect, crashed };
  if (at === null) return note;
  const times = suspect?.picture === at ? suspect.deaths + 1 : 1;
  if (times >= DEATHS_OF_ONE) return { ...note, suspect: null, crashed: [...crashed, at] };
  return { ...note, suspect: { picture: at, deaths: times } };
}
