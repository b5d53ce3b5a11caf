/** Runs in a frame: the calls that rounds.mjs makes, as `window.bench`. */
import { openEngine, turn } from './turn.mjs';

/** @param library ours, for our engine */
export function expose(engine, library) {
  let opened;
  window.bench = {
    async open({ network, part = '.', dims, ...options }) {
      const read = async (name) => {
        const response = await fetch(`/networks/${network}/${part}/${name}`);
        if (!response.ok) throw new Error(`${name}: ${response.status}`);
        return new Uint8Array(await response.arrayBuffer());
      };
      const bytes = await read('pixels.bin');
      opened = await openEngine(engine, {
        ...options,
        dims,
        read,
        pixels: new Float32Array(bytes.buffer),
        assets: `${location.origin}/modules`,
        library: async () => library,
      });
      return { output: Array.from(opened.output ?? []), info: opened.info };
    },

    /** Clocks of pages that are not cross-origin isolated tick every 100 µs. */
    async turn({ budget }) {
      return { times: await turn(opened.run, { budget, atLeast: crossOriginIsolated ? 0 : 5 }), idleBurn: 0 };
    },
  };
}
