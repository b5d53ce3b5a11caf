/** What this machine can do at most: the peak of SIMD multiply-adds on one thread. */
import * as assembler from '../dist/tensor/wasm/assembler.js';
import { CHAINS, LANES, writePeak } from './peers/formats/peak.mjs';

/** About a millisecond a call. */
const MULTIPLY_ADDS = 32e6;

/** @returns rows for `interleave`, one for each number of chains; the fastest is the peak */
export function peakRows() {
  const memory = new WebAssembly.Memory({ initial: 1 });
  new Float32Array(memory.buffer, 0, LANES).fill(0.5);
  const module = new WebAssembly.Module(writePeak(assembler));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return CHAINS.map((chains) => {
    const iterations = Math.round(MULTIPLY_ADDS / (chains * LANES));
    for (let i = 0; i < 60; i++) exports[`chains${chains}`](iterations);
    return { run: () => exports[`chains${chains}`](iterations), macs: MULTIPLY_ADDS };
  });
}

/** GMAC/s of the fastest. */
export const peakOf = (rows) => Math.max(...rows.map(({ macs, min }) => macs / min / 1e6));
