/** One request over connections that stay open. */
import { Agent, request } from 'node:http';

export const newAgent = (connections) => new Agent({ keepAlive: true, maxSockets: connections });

/**
 * The path is sent as it stands: a URL would lose its dots.
 * @param agent false for a connection of its own
 * @returns `{ status, body }`; status is an error's code where there was no whole answer in time
 */
export function ask(url, { method = 'POST', path, headers, body = Buffer.alloc(0) }, agent = false, patience = 30_000) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const all = { ...headers, 'Content-Length': body.length };
    const sent = request({ hostname, port, path, method, agent, headers: all }, async (response) => {
      const parts = [];
      try {
        for await (const part of response) parts.push(part);
        resolve({ status: response.statusCode, body: Buffer.concat(parts) });
      } catch ({ code }) {
        resolve({ status: code, body: Buffer.alloc(0) });
      }
    });
    sent.setTimeout(patience, () => sent.destroy(Object.assign(new Error(), { code: 'NO ANSWER' })));
    sent.on('error', ({ code }) => resolve({ status: code, body: Buffer.alloc(0) }));
    sent.end(body);
  });
}
