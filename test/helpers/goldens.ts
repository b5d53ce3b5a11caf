/**
 * Reads the safetensors files that hold expected values. It shares no code with `src/models/weights`, so a fault there
 * cannot hide behind itself here; it trusts its input, which is ours.
 *
 * Format: 8 bytes little-endian header length, JSON `{ name: { dtype, shape, data_offsets: [begin, end] } }`, then data.
 */
import { readFileSync } from 'node:fs';

const ARRAYS = {
  F32: Float32Array,
  F64: Float64Array,
  U8: Uint8Array,
  I8: Int8Array,
  I32: Int32Array,
  I64: BigInt64Array,
} as const;

export interface Golden {
  dtype: keyof typeof ARRAYS;
  dims: number[];
  data: Float32Array | Float64Array | Uint8Array | Int8Array | Int32Array | BigInt64Array;
}

/** All tensors of a file, each in memory of its own. Throws for a dtype not listed above. */
export function readGoldens(path: string | URL): Map<string, Golden> {
  const bytes = readFileSync(path);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: keyof typeof ARRAYS; shape: number[]; data_offsets: [number, number] }
  >;
  const goldens = new Map<string, Golden>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const ArrayType = ARRAYS[entry.dtype];
    if (ArrayType === undefined) throw new Error(`${path}: ${name} is ${entry.dtype}, which this reader does not know`);
    const [begin, end] = entry.data_offsets.map((at) => at + 8 + headerLength) as [number, number];
    // A copy starts at an aligned address, which a view into the file need not.
    const data = new ArrayType(new Uint8Array(bytes.subarray(begin, end)).buffer);
    goldens.set(name, { dtype: entry.dtype, dims: entry.shape, data });
  }
  return goldens;
}

/** One golden as float32, or an error that names what the file does hold. */
export function float32Golden(goldens: ReadonlyMap<string, Golden>, name: string): Float32Array {
  const golden = goldens.get(name);
  if (!(golden?.data instanceof Float32Array)) {
    throw new Error(`no float32 golden ${name} among ${[...goldens.keys()].join(', ')}`);
  }
  return golden.data;
}

/** The largest |a - b|, and where; NaN in only one of them, or different lengths, gives Infinity. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): { difference: number; at: number } {
  if (a.length !== b.length) return { difference: Infinity, at: -1 };
  let worst = 0;
  let at = -1;
  for (let i = 0; i < a.length; i++) {
    if (Number.isNaN(a[i]) && Number.isNaN(b[i])) continue;
    const difference =
      Number.isNaN(a[i]) || Number.isNaN(b[i]) ? Infinity : a[i] === b[i] ? 0 : Math.abs(a[i]! - b[i]!);
    if (difference > worst) {
      worst = difference;
      at = i;
    }
  }
  return { difference: worst, at };
}
