/** Abort signals: promises that end early, and long computations that let the event loop deliver an abort. */
import { expected } from './errors.js';

/**
 * The promise's result, or the signal's reason as soon as it is aborted. The work of the promise goes on, unless it looks
 * at the signal itself.
 */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  promise.catch(() => {}); // nobody waits for an error after the abort
  signal.throwIfAborted();
  let stop!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Milliseconds that work with a signal may hold the thread. A 1.0 at 224 takes 10. */
const MOST_HELD = 25;
/** When the event loop last had a turn. A thread has one event loop, so all calls share this. */
let lastTurn = 0;

/**
 * To be called between pieces of work. Throws the signal's reason where it is aborted; now and then lets the event loop
 * turn first. Without that, an abort would not be seen while the thread computes.
 */
export function yieldToEvents(signal: AbortSignal): void | Promise<void> {
  if (performance.now() - lastTurn < MOST_HELD) signal.throwIfAborted();
  else return turn(signal);
}

async function turn(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    // A timer waits a millisecond in Node, and up to four in browsers. One immediate comes before timers that are due.
    if (typeof setImmediate === 'function') setImmediate(() => setImmediate(resolve));
    else setTimeout(resolve);
  });
  lastTurn = performance.now();
  signal.throwIfAborted();
}

/** @throws MobileNetError ARG for anything but an AbortSignal */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || typeof (signal as AbortSignal | null)?.throwIfAborted === 'function') return;
  throw expected('signal', 'an AbortSignal', signal);
}
