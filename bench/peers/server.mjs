/**
 * node server.mjs <file of end-to-end/engines> <folder of the network> <port>: an engine as a server of one's own would have it.
 * THREADS=1 is the least CPU that a request can take; without it the engine takes what its packages take, which is every core.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';

const [engine, folder, port] = process.argv.slice(2);
const { open } = await import(`./end-to-end/engines/${engine}.mjs`);
const classify = await open({
  folder,
  network: basename(folder),
  read: (name) => readFile(join(folder, name)),
  threads: process.env.THREADS ? Number(process.env.THREADS) : null,
});

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const answer = await classify(Buffer.concat(parts));
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify([answer]));
});
server.listen(Number(port), '127.0.0.1', () => console.log('listening'));
