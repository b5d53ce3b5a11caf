/** A process that lives for one result. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openEngine } from './turn.mjs';

const { file, folder: whole, part = '', ours, begun, ...options } = JSON.parse(process.argv[2]);
const folder = join(whole, part);
const read = (name) => readFile(join(folder, name));
const [engine, bytes] = await Promise.all([import(`./engines/${file}.mjs`), read('pixels.bin')]);
const { output } = await openEngine(engine, {
  ...options,
  folder,
  read,
  pixels: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
  library: () => import(ours),
});
const ms = performance.timeOrigin + performance.now() - begun;
process.stdout.write(`${JSON.stringify({ ms, rss: peakMemory(), output: Array.from(output) })}\n`, () =>
  process.exit(),
);

/** KiB. On Linux a process inherits maxRSS from the one that started it, so there it is VmHWM, which it does not. */
function peakMemory() {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS;
  return Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
}
