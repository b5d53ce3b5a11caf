/**
 * The other threads of a network. A worker shares the memory and the functions of the main thread, waits for a call
 * to be posted, and computes chunks of it until none is left.
 *
 * A call is shared through a block of words in the shared memory. CLAIM holds the chunks that nobody has begun, `from`
 * in its low half and `to` in its high half; the main thread takes them from below and workers from above, so that
 * from layer to layer each keeps to its own end of the picture, whose pixels its cache holds. Whoever finishes a chunk
 * adds one to DONE. Nobody waits for a worker that has not begun: one that is late, asleep or gone takes no chunk.
 */

/** Words of the block, as indices of int32. */
export const WORDS = {
  CLAIM: 0,
  /** On a cache line of its own. */
  DONE: 16,
  /** Workers there are. */
  JOINED: 32,
  /** Workers that sleep on CLAIM. */
  ASLEEP: 33,
  /** 1 while the main thread sleeps on DONE. */
  MAIN_ASLEEP: 34,
  /** The call: which function (below 0 for lanes), how many arguments, and which of them are the bounds of a part. */
  FUNCTION: 35,
  ARGUMENTS: 36,
  AT: 37,
  /** The whole of it, the multiple that chunks begin at, and how many there are. */
  FROM: 38,
  TO: 39,
  GRAIN: 40,
  CHUNKS: 41,
  /** Workers that have ended, until the main thread is told. */
  GONE: 42,
} as const;
/** After them the arguments as float64, which holds every i32 and f32. */
export const ARGUMENTS_AT = 48 * Int32Array.BYTES_PER_ELEMENT;
export const MOST_ARGUMENTS = 30;
export const BLOCK_BYTES = ARGUMENTS_AT + MOST_ARGUMENTS * Float64Array.BYTES_PER_ELEMENT;

/** Everything a thread needs to take part. */
export interface Share {
  words: Int32Array;
  args: Float64Array;
  functions: readonly ((...args: number[]) => void)[];
  names: typeof WORDS;
  /** Room for the arguments of a chunk, each thread's own. */
  call: number[];
}

/** What a worker is given to begin with. */
export interface WorkerTask {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** Address of the block. */
  block: number;
  /** Milliseconds to look out for the next call before it sleeps, and to sleep before it ends. */
  spin: number;
  idle: number;
  names: typeof WORDS;
  argumentsAt: number;
  mostArguments: number;
}

/** Computes one lane of several, as lanes.ts says. */
type ComputeLane = (
  share: Share,
  memory: WebAssembly.Memory,
  chunk: number,
  patience: number,
  sleeps: boolean,
  from?: number,
) => number;

/** The program of a worker: a function of its task, as text. @param lane where lanes are used */
export const WORKER_SOURCE = (lane?: ComputeLane): string =>
  `(task) => (${work})(task, ${computeChunk}, ${lane ?? null})`;

// These functions travel as text, so they refer to nothing outside themselves.

/** Computes one chunk of the call that is posted. */
export function computeChunk({ words, args, functions, names, call }: Share, index: number): void {
  const from = words[names.FROM];
  const to = words[names.TO];
  const grain = words[names.GRAIN];
  const units = Math.ceil((to - from) / grain);
  const chunks = words[names.CHUNKS];
  const at = words[names.AT];
  call.length = words[names.ARGUMENTS];
  for (let i = 0; i < call.length; i++) call[i] = args[i];
  call[at] = from + Math.floor((index * units) / chunks) * grain;
  call[at + 1] = Math.min(from + Math.floor(((index + 1) * units) / chunks) * grain, to);
  functions[words[names.FUNCTION]](...call);
}

function work(task: WorkerTask, compute: typeof computeChunk, lane: ComputeLane | null): void {
  const { module, memory, block, argumentsAt, mostArguments, names, spin, idle } = task;
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  // V8 never tells this worker of a growth that met its start, until the memory grows again: on a busy machine in 10 of 2,800 starts in
  // Node 20, and in 1 of 2,000 in Node 24. Growing by nothing does as well.
  memory.grow(0);
  const words = new Int32Array(memory.buffer, block, argumentsAt / 4);
  const args = new Float64Array(memory.buffer, block + argumentsAt, mostArguments);
  const functions = Object.values(exports) as Share['functions'][number][];
  const share = { words, args, functions, names, call: [] };
  Atomics.add(words, names.JOINED, 1);
  let lastBusy = performance.now();
  for (;;) {
    const claim = Atomics.load(words, names.CLAIM);
    const first = claim & 0xffff;
    const last = (claim >>> 16) - 1;
    if (first <= last) {
      if (Atomics.compareExchange(words, names.CLAIM, claim, first | (last << 16)) !== claim) continue;
      // The call stays as it is until this chunk is done.
      if (words[names.FUNCTION] < 0) lane!(share, memory, last, Infinity, true);
      else compute(share, last);
      Atomics.add(words, names.DONE, 1);
      if (Atomics.load(words, names.MAIN_ASLEEP) === 1) Atomics.notify(words, names.DONE);
      lastBusy = performance.now();
    } else if (performance.now() - lastBusy > spin) {
      Atomics.add(words, names.ASLEEP, 1);
      const outcome = Atomics.wait(words, names.CLAIM, claim, idle);
      Atomics.sub(words, names.ASLEEP, 1);
      if (outcome === 'timed-out') break;
      lastBusy = performance.now();
    }
  }
  Atomics.add(words, names.GONE, 1);
  Atomics.sub(words, names.JOINED, 1);
}
