/**
 * A process that sends requests and writes down what came of them. The parent asks over IPC with
 * `{ url, path, picture, seconds }` and one of `{ connections }`: each sends its next request when it has its answer, or
 * `{ rate }`: so many a second, whatever the answers do, at random moments. Without a picture it is a GET.
 */
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

function send(url, body, agent) {
  return new Promise((resolve) => {
    const headers = body === undefined ? {} : { 'Content-Type': 'image/jpeg', 'Content-Length': body.length };
    const sent = request(url, { method: body === undefined ? 'GET' : 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
      response.on('error', () => resolve('cut'));
    });
    sent.on('error', ({ code }) => resolve(code));
    sent.end(body);
  });
}

/** Random moments have exponential times between them. The seed is fixed: every run has the same ones. */
function* moments(rate) {
  let seed = 1;
  for (let at = 0; ; ) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    at += -Math.log(1 - seed / 2 ** 32) / rate;
    yield at * 1000;
  }
}

async function run({ url, path, picture, seconds, connections, rate, fresh }) {
  const body = picture === undefined ? undefined : await readFile(picture);
  // Probes of Kubernetes open a connection each.
  const agent = new Agent({ keepAlive: !fresh, maxSockets: Infinity });
  const results = [];
  const begin = performance.now();
  const end = begin + seconds * 1000;
  // From when it was due, not from when it was sent: a client that waits for a slow server would else miss the slow moments.
  const one = async (due) => {
    const status = await send(url + path, body, agent);
    const now = performance.now();
    results.push({ status, ms: now - due, inTime: now <= end });
  };
  if (connections !== undefined) {
    const each = async () => {
      while (performance.now() < end) await one(performance.now());
    };
    await Promise.all(Array.from({ length: connections }, each));
  } else {
    const all = [];
    for (const moment of moments(rate)) {
      if (begin + moment > end) break;
      const wait = begin + moment - performance.now();
      if (wait > 0) await sleep(wait);
      all.push(one(begin + moment));
    }
    await Promise.all(all);
  }
  agent.destroy();
  return results;
}

process.on('message', async (how) => process.send(await run(how)));
