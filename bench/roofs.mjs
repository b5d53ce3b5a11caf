/**
 * What this machine can do at most: multiply-adds in SIMD on one thread (dist/tensor/wasm/peak.js), and bytes a second
 * between memory and one or more threads. Both are rows like any other, so that they meet the machine in the same state.
 */
import { callOf } from '../dist/layers/kernel.js';
import { WasmHeap } from '../dist/runtime/engines/wasm/heap.js';
import { Team } from '../dist/runtime/engines/wasm/threads.js';
import { BLOCK_BYTES } from '../dist/runtime/engines/wasm/worker.js';
import { f32x4, i32, MAX_PAGES, ModuleBuilder, typed, v128 } from '../dist/tensor/wasm/assembler.js';
import { peakLoops } from '../dist/tensor/wasm/peak.js';

/** Read once, 96 MiB have left every cache when they are read again; the largest that desktops and most servers have. */
const BUFFER_BYTES = 96 * 2 ** 20;
/** Bytes of a turn of the loops: two cache lines. */
const STEP = 128;
/** Threads share buffers in multiples of this. */
const GRAIN = 64 * 1024;
const PARAMS = typed('i32', 'x', 'y', 'from', 'to');

/** `read(x, y, from, to)` adds up the bytes from..to of x, `copy` moves them to y. */
function emitStreams() {
  const module = new ModuleBuilder({ initial: 1, maximum: MAX_PAGES, shared: true });
  const offsets = Array.from({ length: STEP / 16 }, (_, i) => 16 * i);
  module.func('read', PARAMS, (f, { x, y, from, to }) => {
    const sums = f.locals('v128', offsets.length);
    const end = f.local('i32');
    f.set(end, i32.add(x, to));
    f.for(x, i32.add(x, from), end, STEP, () => {
      for (const [i, sum] of sums.entries()) f.set(sum, f32x4.add(sum, v128.load(x, offsets[i])));
    });
    for (const [i, sum] of sums.entries()) f.store('v128.store', i32.add(y, from), sum, offsets[i]); // or nothing would be read
  });
  module.func('copy', PARAMS, (f, { x, y, from, to }) => {
    const end = f.local('i32');
    f.set(end, i32.add(x, to));
    f.increase(y, from);
    f.for(x, i32.add(x, from), end, STEP, () => {
      for (const offset of offsets) f.store('v128.store', y, v128.load(x, offset), offset);
      f.increase(y, STEP);
    });
  });
  return new WebAssembly.Module(module.encode());
}

/** @returns rows that read and copy, with so many threads, and `close` */
async function streams(threads) {
  const module = emitStreams();
  const memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true });
  const heap = new WasmHeap(memory);
  const [x, y, block] = [BUFFER_BYTES, BUFFER_BYTES, BLOCK_BYTES].map((bytes) => heap.allocate(bytes, 'bandwidth'));
  // Pages that nobody has written are all the same page.
  for (const at of [x, y]) new Float32Array(memory.buffer, at, BUFFER_BYTES / 4).fill(1);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const team = new Team(Math.max(2, threads), module, memory, block, Object.values(exports));
  if (threads > 1) await team.start();
  const rows = Object.keys(exports).map((name, index) => {
    const call = callOf(name, PARAMS, { x, y, from: 0, to: BUFFER_BYTES }, { splitBy: 'from', grain: GRAIN });
    const run = threads > 1 ? () => team.run(index, call) : () => exports[name](...call.args);
    return { roof: 'bandwidth', threads, bytes: BUFFER_BYTES * (name === 'copy' ? 2 : 1), run };
  });
  return { rows, close: () => team.dispose() };
}

/** @param threads a list of numbers of threads */
export async function openRoofs(threads) {
  const peaksOf = (elements) =>
    peakLoops(elements).map(({ multiplyAdds: macs, run }) => ({ roof: 'peak', elements, macs, run }));
  const peaks = [...peaksOf('f32'), ...peaksOf('i16')];
  const opened = await Promise.all(threads.map(streams));
  const flows = opened.flatMap(({ rows }) => rows);
  return {
    /** To be measured with the others. @param elements that these compute with, `f32` or `i16`, which have a peak each */
    rowsFor: (elements) => [...peaks.filter((row) => row.elements === elements), ...flows],
    /** `{ peak, bandwidth: { 1: …, 2: … } }` in GMAC/s of a thread and GB/s of all, the fastest of what was measured. */
    measured: (elements) => ({
      elements,
      peak: Math.max(...peaks.filter((row) => row.elements === elements).map(({ macs, min }) => macs / min / 1e6)),
      bandwidth: Object.fromEntries(
        threads.map((n) => {
          const own = flows.filter((row) => row.threads === n);
          return [n, Math.max(...own.map(({ bytes, min }) => bytes / min / 1e6))];
        }),
      ),
    }),
    close() {
      for (const { close } of opened) close();
    },
  };
}
