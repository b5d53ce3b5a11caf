/** A process with one engine in it. The parent asks over IPC: `open`, then `turn` as often as it likes. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { summary, turn } from './turn.mjs';

let run;
const pictures = new Map();

const used = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const calls = {
  async open({ file, folder, ours, image }) {
    const { open } = await import(`./engines/${file}.mjs`);
    run = await open({
      folder,
      network: basename(folder),
      image,
      read: (name) => readFile(join(folder, name)),
      library: () => import(ours),
    });
    return {};
  },

  async turn({ path, budget }) {
    if (!pictures.has(path)) pictures.set(path, await readFile(path));
    const { answer, ...times } = await turn(run, pictures.get(path), { budget, cpu: used });
    return { ...times, answer: summary(answer) };
  },
};

process.on('message', async ({ call, ...options }) => {
  try {
    process.send({ value: await calls[call](options) });
  } catch (error) {
    process.send({ error: String(error?.stack ?? error) });
  }
});
