/** Runs in a frame: the calls that rounds.mjs makes, as `window.bench`. */
import { summary, turn } from './turn.mjs';

export function expose({ open }, library) {
  let run;
  const pictures = new Map();
  const read = async (path) => {
    const response = await fetch(`/networks/${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  window.bench = {
    async open({ network }) {
      const assets = `${location.origin}/modules`;
      run = await open({ network, assets, read: (name) => read(`${network}/${name}`), library: async () => library });
      return {};
    },

    async turn({ picture, budget }) {
      if (!pictures.has(picture)) pictures.set(picture, await read(`pictures/${picture}`));
      const { answer, ...times } = await turn(run, pictures.get(picture), { budget });
      return { ...times, answer: summary(answer) };
    },
  };
}
