/**
 * Lanes: lists of calls that are alike but for where numbers lie, a picture each, and done at once, a thread each. Where threads
 * share call by call instead, all that the next call reads of another's part comes out of another processor's cache, and they meet
 * 200 times a picture: 1.0 at 224 forth and back takes 43 ms on one thread, on two 30 call by call and 22 in lanes.
 *
 * Calls that add to the same numbers do so in the order of their lanes, so bits are those of one lane after another: each such
 * place has a ticket, the number of the lane whose turn it is.
 */
import type { Call } from '../../../layers/kernel.js';
import type { AtOnce, LaneWork, Region, Work } from '../engine.js';
import type { Share } from './worker.js';

/** Emitted work as its engine knows it. */
interface Emitted {
  index: number;
  call: Call;
}

/** What lanes need of their engine. */
export interface LaneEngine {
  /** The function and the arguments of emitted work; undefined for other work. */
  callOf(work: Work): Emitted | undefined;
  allocate(bytes: number): Region;
  free(region: Region): void;
  memory: WebAssembly.Memory;
  /** As Team.runLanes. */
  run(lanes: number, args: readonly number[]): void | Promise<void>;
}

/** Work that is not emitted is done by the calling thread, lane by lane, and parts what comes before it from what comes after. */
export function bindLanes(lanes: readonly (readonly LaneWork[])[], engine: LaneEngine): AtOnce {
  const regions: Region[] = [];
  const works: Work[] = [];
  let from = 0;
  const finishPart = (to: number): void => {
    if (from < to)
      works.push(
        bindPart(
          lanes.map((lane) => lane.slice(from, to)),
          engine,
          regions,
        ),
      );
  };

  for (const i of lanes[0].keys()) {
    if (engine.callOf(lanes[0][i].work) !== undefined) continue;
    finishPart(i);
    from = i + 1;
    for (const lane of lanes) works.push(lane[i].work);
  }
  finishPart(lanes[0].length);
  return {
    works,
    free: () => {
      for (const region of regions) engine.free(region);
    },
  };
}

const BYTES = Float64Array.BYTES_PER_ELEMENT;

/**
 * Puts calls where all threads read them: tickets, and after them a list of numbers for each lane. A call is its function, the
 * ticket to wait for and that to hand on (-1 for none), how many arguments, and those. The list ends with -1.
 */
function bindPart(part: readonly LaneWork[][], engine: LaneEngine, regions: Region[]): Work {
  const names = part[0].map(({ inTurn }) => inTurn);
  const tickets = [...new Set(names)].filter((name) => name !== undefined);
  const heads = names.map((name, i) => {
    const ticket = tickets.indexOf(name as string);
    return [names.indexOf(name) === i ? ticket : -1, names.lastIndexOf(name) === i ? ticket : -1];
  });
  const programs = part.map((lane) =>
    lane.flatMap(({ work }, i) => {
      const { index, call } = engine.callOf(work)!;
      return [index, ...heads[i], call.args.length, ...call.args];
    }),
  );

  const ticketWords = 2 * Math.ceil(tickets.length / 2);
  const length = programs[0].length + 1;
  const region = engine.allocate(4 * ticketWords + BYTES * length * part.length);
  regions.push(region);
  const address = region.allocation;
  const numbers = new Float64Array(engine.memory.buffer, address + 4 * ticketWords, length * part.length);
  for (const [lane, program] of programs.entries()) numbers.set([...program, -1], lane * length);
  const posted = [address, ticketWords, length];
  return () => {
    new Int32Array(engine.memory.buffer, address, ticketWords).fill(0);
    return engine.run(part.length, posted);
  };
}

// This function travels as text, so it refers to nothing outside itself.

/**
 * Computes a lane that is posted, from a number of its list on. Chunk 0 is lane 0; the others are taken from above, the last of
 * them is lane 1.
 * @param patience milliseconds to wait for a turn
 * @returns the number of the list to go on with where patience ended; -1 when all is done
 */
export function computeLane(
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
  while (memory.buffer.byteLength < end); // until this thread knows that the memory has grown
  const tickets = new Int32Array(memory.buffer, address, ticketWords);
  const program = new Float64Array(memory.buffer, address + 4 * ticketWords + 8 * length * lane, length);
  let at = from;
  while (program[at] >= 0) {
    const wait = program[at + 1];
    if (wait >= 0 && Atomics.load(tickets, wait) !== lane) {
      const begin = performance.now();
      for (let turn = Atomics.load(tickets, wait); turn !== lane; turn = Atomics.load(tickets, wait)) {
        const waited = performance.now() - begin;
        if (waited > patience) return at;
        if (waited > 0.2 && sleeps) Atomics.wait(tickets, wait, turn, 100);
      }
    }
    const post = program[at + 2];
    call.length = program[at + 3];
    for (let i = 0; i < call.length; i++) call[i] = program[at + 4 + i];
    functions[program[at]](...call);
    if (post >= 0) {
      Atomics.store(tickets, post, lane + 1);
      Atomics.notify(tickets, post);
    }
    at += 4 + call.length;
  }
  return -1;
}
