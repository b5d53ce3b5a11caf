import { peakLoops } from '../../../dist/tensor/wasm/peak.js';

/** Runs the fastest of the loops that our profiler measures against, too. */
export async function open() {
  const loops = peakLoops().map((loop) => {
    let fastest = Infinity;
    for (let i = 0; i < 20; i++) {
      const start = performance.now();
      loop.run();
      fastest = Math.min(fastest, (performance.now() - start) / loop.multiplyAdds);
    }
    return { ...loop, fastest };
  });
  const { run, multiplyAdds } = loops.reduce((a, b) => (b.fastest < a.fastest ? b : a));
  return { run: async () => run(), info: { multiplyAdds } };
}
