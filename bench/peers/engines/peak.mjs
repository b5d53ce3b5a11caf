import { CHAINS, LANES } from '../formats/peak.mjs';

/** About a millisecond a call. */
const MULTIPLY_ADDS = 32e6;

/** Runs the fastest of the loops in peak.wasm. */
export async function open({ read }) {
  const memory = new WebAssembly.Memory({ initial: 1 });
  new Float32Array(memory.buffer, 0, LANES).fill(0.5);
  const { instance } = await WebAssembly.instantiate(await read('peak.wasm'), { env: { memory } });
  const loops = CHAINS.map((chains) => {
    const loop = instance.exports[`chains${chains}`];
    const iterations = Math.round(MULTIPLY_ADDS / (chains * LANES));
    const call = () => loop(iterations);
    let fastest = Infinity;
    for (let i = 0; i < 60; i++) {
      const start = performance.now();
      call();
      fastest = Math.min(fastest, performance.now() - start);
    }
    return { call, fastest };
  });
  const { call } = loops.reduce((a, b) => (b.fastest < a.fastest ? b : a));
  return { run: async () => call(), info: { multiplyAdds: MULTIPLY_ADDS } };
}
