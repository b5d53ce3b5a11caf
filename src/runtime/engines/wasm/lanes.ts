/**
 * Lanes: lists of calls, each for one picture or some. They are done at once, each lane by one thread. Where threads share every
 * call instead, a call finds what other threads made in the caches of other processors, and threads meet 200 times a picture.
 * 1.0 at 224, forth and back: 43 ms on one thread; on two, 31 ms with shared calls and 24 in lanes.
 *
 * Calls that add to the same numbers do so picture by picture, so bits are those of one picture after another: each such place has
 * a ticket, the number of the picture whose turn it is.
 */
import { MobileNetError } from '../../../base/errors.js';
import type { Call } from '../../../layers/kernel.js';
import type { AtOnce, LaneWork, Region, Work } from '../engine.js';
import { MAIN_WAIT, Team } from './threads.js';
import { type Share, WORDS, WORKER_SOURCE } from './worker.js';

/** Milliseconds that the main thread waits for another lane before it looks whether one is left that nobody has begun. */
const MAIN_PATIENCE = 2;

/** Emitted work as its engine knows it. */
interface Emitted {
  index: number;
  call: Call;
}

/** What lanes need of their engine. */
interface LaneEngine {
  /** The function and the arguments of emitted work; undefined for other work. */
  callOf(work: Work): Emitted | undefined;
  allocate(bytes: number): Region;
  free(region: Region): void;
}

/** A team that computes lanes, too. Calls then add to what is there, so none can be computed anew. */
export class LaneTeam extends Team {
  protected override source(): string {
    return WORKER_SOURCE(computeLane);
  }

  /**
   * Puts calls where all threads read them: tickets, and after them a list of numbers for each lane. A call is its function, the
   * ticket to wait for and that to hand on (-1 for none), its turn, how many arguments, and those. A list ends with -1.
   */
  bind(lanes: readonly (readonly LaneWork[])[], engine: LaneEngine): AtOnce {
    const tickets = new Map<string, number>();
    for (const { inTurn } of lanes[0]) {
      if (inTurn !== undefined && !tickets.has(inTurn)) tickets.set(inTurn, tickets.size);
    }
    const lists = lanes.map((lane) => listOf(lane, tickets, engine));
    const ticketWords = 2 * Math.ceil(tickets.size / 2);
    const length = Math.max(...lists.map((list) => list.length));
    const region = engine.allocate(4 * ticketWords + Float64Array.BYTES_PER_ELEMENT * length * lanes.length);
    const address = region.allocation;
    const { memory } = this.task;
    const numbers = new Float64Array(memory.buffer, address + 4 * ticketWords, length * lanes.length);
    for (const [lane, list] of lists.entries()) numbers.set(list, lane * length);
    const posted = [address, ticketWords, length];
    return {
      work: () => {
        new Int32Array(memory.buffer, address, ticketWords).fill(0);
        this.post(-1, posted, lanes.length, 1);
        return this.#takeLanes(new Map([[0, 0]])); // the first is the main thread's
      },
      free: () => engine.free(region),
    };
  }

  /**
   * Goes on with lanes, by how far they are. Takes one that nobody has begun when its own are done or may wait for such a one.
   * A promise is returned only where another thread is very late.
   */
  #takeLanes(own: Map<number, number>): void | Promise<void> {
    const { words } = this.share;
    const lanes = words[WORDS.CHUNKS];
    let begin = performance.now();
    for (;;) {
      const complete = Atomics.load(words, WORDS.JOINED) >= lanes - 1;
      const patience = own.size > 1 || !complete ? 0 : MAIN_PATIENCE;
      let moved = false;
      for (const [chunk, from] of own) {
        // It does not sleep: a page's main thread may not, and no wait is long.
        const at = computeLane(this.share, this.task.memory, chunk, patience, false, from);
        if (at !== from) moved = true;
        own.set(chunk, at);
        if (at >= 0) continue;
        own.delete(chunk);
        Atomics.add(words, WORDS.DONE, 1);
      }
      const chunk = this.#claimLane();
      if (chunk >= 0) own.set(chunk, 0);
      else if (own.size === 0) break;
      else if (moved) begin = performance.now();
      else if (performance.now() - begin > MAIN_WAIT) return this.#goOn(own);
    }
    if (!this.waitFor(lanes)) return this.#goOn(own);
  }

  /** All threads take lanes in their order, so a lane waits only for lanes that were begun before it; -1 when none is left. */
  #claimLane(): number {
    const { words } = this.share;
    for (;;) {
      const claim = Atomics.load(words, WORDS.CLAIM);
      const first = claim & 0xffff;
      const last = (claim >>> 16) - 1;
      if (first > last) return -1;
      if (Atomics.compareExchange(words, WORDS.CLAIM, claim, first | (last << 16)) === claim) return last;
    }
  }

  async #goOn(own: Map<number, number>): Promise<void> {
    if (await this.haveDied()) this.anew();
    return this.#takeLanes(own);
  }

  protected override anew(): never {
    throw new MobileNetError(
      'OUT_OF_MEMORY',
      'a thread ended by itself, most likely for want of memory, and the gradients are not complete; go on from the last checkpoint, or use fewer threads',
    );
  }
}

function listOf(lane: readonly LaneWork[], tickets: ReadonlyMap<string, number>, engine: LaneEngine): number[] {
  const isTurn = (i: number) => (other: LaneWork) => other.inTurn === lane[i].inTurn && other.turn === lane[i].turn;
  const list = lane.flatMap(({ work, inTurn, turn }, i) => {
    const { index, call } = engine.callOf(work)!;
    const ticket = inTurn === undefined ? -1 : tickets.get(inTurn)!;
    const wait = ticket >= 0 && lane.findIndex(isTurn(i)) === i ? ticket : -1;
    const post = ticket >= 0 && lane.findLastIndex(isTurn(i)) === i ? ticket : -1;
    return [index, wait, post, turn, call.args.length, ...call.args];
  });
  return [...list, -1];
}

// This function travels as text, so it refers to nothing outside itself.

/**
 * Computes a lane that is posted, from a number of its list on. Chunk 0 is lane 0. Of the others the last one is taken first, and
 * is lane 1.
 * @param patience milliseconds to wait for a turn
 * @param sleeps whether it may sleep meanwhile, which a page's main thread may not
 * @returns the number of the list to go on with where patience ended; -1 when all is done
 */
function computeLane(
  { words, args, functions, call, names }: Share,
  memory: WebAssembly.Memory,
  chunk: number,
  patience: number,
  sleeps: boolean,
  from = 0,
): number {
  const [address, ticketWords, length] = args;
  const lanes = words[names.CHUNKS];
  const lane = chunk === 0 ? 0 : lanes - chunk;
  const end = address + 4 * ticketWords + 8 * length * lanes;
  while (memory.buffer.byteLength < end) memory.grow(0); // until this thread knows that the memory has grown
  const tickets = new Int32Array(memory.buffer, address, ticketWords);
  const program = new Float64Array(memory.buffer, address + 4 * ticketWords + 8 * length * lane, length);
  let at = from;
  while (program[at] >= 0) {
    const wait = program[at + 1];
    const post = program[at + 2];
    const turn = program[at + 3];
    if (wait >= 0 && Atomics.load(tickets, wait) !== turn) {
      const begin = performance.now();
      for (let now = Atomics.load(tickets, wait); now !== turn; now = Atomics.load(tickets, wait)) {
        const waited = performance.now() - begin;
        if (waited > patience) return at;
        if (waited > 0.2 && sleeps) Atomics.wait(tickets, wait, now, 100);
      }
    }
    call.length = program[at + 4];
    for (let i = 0; i < call.length; i++) call[i] = program[at + 5 + i];
    functions[program[at]](...call);
    if (post >= 0) {
      Atomics.store(tickets, post, turn + 1);
      Atomics.notify(tickets, post);
    }
    at += 5 + call.length;
  }
  return -1;
}
