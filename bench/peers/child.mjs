/** A process with one engine in it. The parent asks over IPC: `open`, then `turn` as often as it likes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openEngine, turn } from './turn.mjs';

let engine;
let idleSince;

const calls = {
  async open({ file, folder: whole, part = '', ours, dims, ...options }) {
    const folder = join(whole, part);
    const read = (name) => readFile(join(folder, name));
    const bytes = await read('pixels.bin');
    engine = await openEngine(await import(`./engines/${file}.mjs`), {
      ...options,
      folder,
      dims,
      read,
      pixels: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
      library: () => import(ours),
    });
    return { output: Array.from(engine.output ?? []), info: engine.info };
  },

  /** `idleBurn` is processor time used since the last turn: threads that spin would slow the others down. */
  async turn({ budget }) {
    const idleBurn = idleSince === undefined ? 0 : milliseconds(process.cpuUsage(idleSince));
    const times = await turn(engine.run, { budget });
    idleSince = process.cpuUsage();
    return { times, idleBurn };
  },
};

const milliseconds = ({ user, system }) => (user + system) / 1000;

process.on('message', async ({ call, ...options }) => {
  try {
    process.send({ value: await calls[call](options) });
  } catch (error) {
    process.send({ error: String(error?.stack ?? error) });
  }
});
