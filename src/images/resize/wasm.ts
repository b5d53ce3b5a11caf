/** Both passes in emitted WebAssembly, on a memory that later pictures use again. */
import { growTo } from '../../tensor/wasm/memory.js';
import { emitResize, LOW_BITS } from './emit.js';
import type { Passes, PassesSpec } from './passes.js';
import { longest, type Taps } from './taps.js';

/** A larger memory is not kept for the next picture. */
const MOST_KEPT = 4 * 1024 * 1024;
/** Vectors are loaded whole: this many bytes may be read after the last that count. */
const SLACK = 64;

interface Machine {
  memory: WebAssembly.Memory;
  functions: Record<string, (...args: number[]) => void>;
}

let compiled: WebAssembly.Module | undefined;
/** A picture that is read while another one still is gets a memory of its own. */
let idle: Machine | undefined;

/** Throws what WebAssembly throws where compiling is refused, or where there is no memory. */
function machineOf(bytes: number): Machine {
  compiled ??= new WebAssembly.Module(emitResize());
  const machine = idle ?? instantiate(compiled);
  idle = undefined;
  growTo(machine.memory, bytes);
  return machine;
}

function instantiate(module: WebAssembly.Module): Machine {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return { memory, functions: exports as Machine['functions'] };
}

export function wasmPasses({ horizontal, vertical, left, pixelBytes, channels, bytes }: PassesSpec): Passes {
  // Of one channel, eight taps are one step; of more, four taps of all channels.
  const rowStep = pixelBytes === 1 ? 8 : 4;
  const across = pack(horizontal, rowStep, (pixel) => (pixel - left) * pixelBytes);
  const down = pack(vertical, 2);
  const acrossAt = Math.ceil(bytes / 4) * 4;
  const downAt = acrossAt + across.data.byteLength;
  const machine = machineOf(downAt + down.data.byteLength + SLACK);
  const { buffer } = machine.memory;
  new Int32Array(buffer, acrossAt).set(across.data);
  new Int32Array(buffer, downAt).set(down.data);
  const along = machine.functions[`along_rows_${pixelBytes}`]!;
  const columns = machine.functions.down_columns!;
  return {
    memory: new Uint8ClampedArray(buffer, 0, bytes),
    alongRows(from, stride, rows, to, outStride) {
      along(from, stride, rows, acrossAt, downAt, across.weightBytes, to, outStride, channels);
    },
    downColumns(index, from, stride, length, to) {
      const at = downAt + index * down.weightBytes;
      columns(from, stride, at, at + down.weightBytes, to, to + length);
    },
    release() {
      if (buffer.byteLength <= MOST_KEPT) idle = machine;
    },
  };
}

/**
 * Weights as the emitted code reads them: for every output pixel where its source begins, if `place` says so, then steps of
 * so many taps, in each the lower halves of their weights and then the upper halves. Taps that are missing weigh nothing.
 */
function pack({ start, length, weights, stride }: Taps, step: number, place?: (pixel: number) => number) {
  const taps = Math.ceil(longest({ start, length, weights, stride }) / step) * step;
  const weightBytes = taps * 4;
  const head = place === undefined ? 0 : 4;
  const data = new Int32Array((start.length * (head + weightBytes)) / 4);
  const halves = new Int16Array(data.buffer);
  for (let i = 0; i < start.length; i++) {
    const record = (i * (head + weightBytes)) / 4;
    if (place !== undefined) data[record] = place(start[i]!);
    const first = record * 2 + head / 2;
    for (let k = 0; k < length[i]!; k++) {
      const weight = weights[i * stride + k]!;
      const at = first + Math.floor(k / step) * 2 * step + (k % step);
      halves[at] = weight & (2 ** LOW_BITS - 1);
      halves[at + step] = weight >> LOW_BITS;
    }
  }
  return { data, weightBytes };
}
