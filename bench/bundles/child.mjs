/**
 * A process with one build in it: `node child.mjs <URL of the build> [detached]`. The parent asks over IPC for turns.
 *
 * Once a process has detached any buffer, as every server does that reads a request, Node 20's V8 asks at each read of a
 * typed array whether its buffer is there; the js engine then takes 143 ms instead of 104 (Node 24: 99 instead of 94). What
 * runs in a server is compared with modules in such a process.
 */
import { openTurns } from './turns.mjs';

if (process.argv[3] === 'detached') {
  const buffer = new ArrayBuffer(8);
  structuredClone(buffer, { transfer: [buffer] });
}

const turns = openTurns(await import(process.argv[2]));
process.on('message', async (options) => {
  try {
    process.send({ ms: await turns(options) });
  } catch (error) {
    process.send({ error: error.message });
  }
});
