import { peakLoops } from '../../../dist/tensor/wasm/peak.js';

/** Calls of a loop in a run, which then takes about a millisecond. */
const CALLS = 4;

/** Runs the fastest of the loops that our profiler measures against, too. */
export async function open({ type }) {
  const loops = peakLoops(type).map(({ multiplyAdds, run }) => {
    const calls = () => {
      for (let i = 0; i < CALLS; i++) run();
    };
    let fastest = Infinity;
    for (let i = 0; i < 10; i++) {
      const start = performance.now();
      for (let n = 0; n < 5; n++) calls(); // some clocks tick every 100 µs
      fastest = Math.min(fastest, (performance.now() - start) / multiplyAdds);
    }
    return { calls, multiplyAdds: CALLS * multiplyAdds, fastest };
  });
  const { calls, multiplyAdds } = loops.reduce((a, b) => (b.fastest < a.fastest ? b : a));
  return { run: async () => calls(), info: { multiplyAdds } };
}
