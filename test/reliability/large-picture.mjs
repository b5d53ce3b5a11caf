/**
 * Reads one picture, in a process whose heap is small, and says in a line of JSON what it cost:
 *
 *     node --max-old-space-size=256 test/reliability/large-picture.mjs decode|classify FILE
 */
import { readFileSync } from 'node:fs';
import { env, pipeline } from 'mobilenet-v2';
import { RawImage } from 'mobilenet-v2/image';

const [deed, file] = process.argv.slice(2);
env.onWarning = () => {};
const run = deed === 'classify' ? await pipeline('image-classification') : (path) => RawImage.read(path);
const before = process.cpuUsage();
let code = 'read';
try {
  await run(file);
} catch (error) {
  code = error.code ?? `a bare error: ${error.stack}`;
}
const { user, system } = process.cpuUsage(before);
// The most that was ever resident, as the kernel counts it: getrusage has that of the process which started this one.
const peak = Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
console.log(JSON.stringify({ code, cpuMs: (user + system) / 1000, peak }));
