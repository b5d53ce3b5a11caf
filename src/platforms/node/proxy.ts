/** GET by way of a proxy: through a tunnel (CONNECT) to https, and by the whole URL for http. See fetch.ts. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { type Duplex, Readable } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { MobileNetError } from '../../base/errors.js';
import type { ProxyServer } from './fetch.js';

/**
 * As `fetch`, without following redirects.
 * @throws TypeError with a cause, as `fetch` does; MobileNetError IO where the proxy refuses; the signal's reason
 */
export async function getThrough(
  proxy: ProxyServer,
  url: URL,
  wanted: HeadersInit | undefined,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const headers = Object.fromEntries(new Headers(wanted));
  try {
    const answer =
      url.protocol === 'https:'
        ? await getBySocket(await openTunnel(proxy, url, signal), url, headers, signal)
        : await ask(proxy, url.href, { headers: { ...headers, ...permit(proxy), host: url.host } }, signal);
    // What the proxy says for itself, in place of the server.
    if (answer.statusCode === 407) throw refusal(proxy, answer);
    return toResponse(answer);
  } catch (cause) {
    if (cause instanceof MobileNetError) throw cause;
    signal?.throwIfAborted();
    const way = `${(cause as Error).message || (cause as NodeJS.ErrnoException).code} (by way of ${describe(proxy)})`;
    throw new TypeError('fetch failed', { cause: new Error(way, { cause }) });
  }
}

/** Without user and password. */
const describe = ({ url, from }: ProxyServer): string => `the proxy ${url.host} of ${from}`;

/** An error of the proxy's own; a failure that is not the caller's fault is tried again. */
function refusal(proxy: ProxyServer, { statusCode = 0, statusMessage }: IncomingMessage): Error {
  const answer = `answers ${statusCode} ${statusMessage}`;
  if (statusCode >= 500) return new Error(answer);
  const remedy =
    statusCode === 407 ? `; put a name and password into it: ${proxy.from}=http://name:password@host:port` : '';
  return new MobileNetError('IO', `${describe(proxy)} ${answer}${remedy}`);
}

function permit({ url: { username, password } }: ProxyServer): Record<string, string> {
  if (username === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** The host without the brackets of IPv6. */
const bare = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '');

/** A request to the proxy itself. */
function send({ url }: ProxyServer, path: string, options: RequestOptions, signal: AbortSignal | undefined) {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const place = { hostname: bare(url), port: url.port || undefined, path };
  // agent: false, as Node's own may know the variables too.
  return request({ ...place, ...options, agent: false, ...(signal && { signal }) });
}

function ask(proxy: ProxyServer, path: string, options: RequestOptions, signal: AbortSignal | undefined) {
  return answered(send(proxy, path, options, signal));
}

async function openTunnel(proxy: ProxyServer, url: URL, signal: AbortSignal | undefined): Promise<TLSSocket> {
  const target = `${url.hostname}:${url.port || 443}`;
  const options = { method: 'CONNECT', headers: { host: target, ...permit(proxy) } };
  const request = send(proxy, target, options, signal);
  const socket = await new Promise<Duplex>((resolve, reject) => {
    request.on('error', reject);
    request.on('connect', (answer, opened) => {
      if (answer.statusCode === 200) return resolve(opened);
      opened.destroy();
      reject(refusal(proxy, answer));
    });
    request.end();
  });
  const host = bare(url);
  return connect({ socket, host, ...(isIP(host) === 0 && { servername: host }), ALPNProtocols: ['http/1.1'] });
}

function getBySocket(socket: TLSSocket, url: URL, headers: Record<string, string>, signal: AbortSignal | undefined) {
  const options = { headers, createConnection: () => socket, ...(signal && { signal }) };
  return answered(httpsRequest(url, options));
}

function answered(request: ReturnType<typeof httpRequest>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', resolve);
    request.end();
  });
}

function toResponse(answer: IncomingMessage): Response {
  const headers = new Headers();
  for (const [name, values] of Object.entries(answer.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  const { statusCode: status = 0, statusMessage: statusText = '' } = answer;
  const empty = [204, 205, 304].includes(status);
  if (empty) answer.resume();
  const body = empty ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>);
  return new Response(body, { status, statusText, headers });
}
