/**
 * `fetch` that goes by way of a proxy where HTTPS_PROXY or HTTP_PROXY names one, as Python's downloads do. Node's own takes
 * no notice of them before Node 24, and there only if NODE_USE_ENV_PROXY=1 is set.
 */
import { MobileNetError } from '../../base/errors.js';

const fetchAtStart = globalThis.fetch;

const MOST_REDIRECTS = 20;

/** Only what has no body goes by way of a proxy: nothing else is asked for here. */
export const fetchHere: typeof fetch = async (input, init = {}) => {
  if (input instanceof Request || (init.method ?? 'GET') !== 'GET' || hasOwnWay()) return globalThis.fetch(input, init);
  let url = new URL(input);
  let { headers } = init;
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const proxy = proxyOf(url);
    if (proxy === undefined) return globalThis.fetch(url, { ...init, ...(headers && { headers }) });
    const response = await (await import('./proxy.js')).getThrough(proxy, url, headers, init.signal ?? undefined);
    const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (location === null || init.redirect === 'manual') return response;
    await response.body?.cancel();
    const next = new URL(location, url);
    if (next.origin !== url.origin) headers = undefined; // a token is for one host
    url = next;
  }
  throw new TypeError('fetch failed', { cause: new Error('redirect count exceeded') });
};

/** Deno and Bun know the variables. Who has set a dispatcher of undici, or another fetch, wants that one. */
function hasOwnWay(): boolean {
  const dispatcher = (globalThis as { [key: symbol]: object | undefined })[Symbol.for('undici.globalDispatcher.1')];
  const usual = dispatcher === undefined || dispatcher.constructor.name === 'Agent';
  return !usual || globalThis.fetch !== fetchAtStart || 'deno' in process.versions || 'bun' in process.versions;
}

export interface ProxyServer {
  url: URL;
  /** The variable that names it. */
  from: string;
}

/**
 * The proxy for a URL, by the variables that curl and Python read: small letters come first. This computer needs none.
 * @throws MobileNetError UNSUPPORTED for one that is not reached by HTTP, such as SOCKS
 */
export function proxyOf({ protocol, hostname, port }: URL, variables = process.env): ProxyServer | undefined {
  if (!/^https?:$/.test(protocol) || /^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) return undefined;
  const own = `${protocol.slice(0, -1)}_proxy`;
  const from = [own, own.toUpperCase(), 'all_proxy', 'ALL_PROXY'].find((name) => variables[name]);
  if (
    from === undefined ||
    isExcepted(variables.no_proxy || variables.NO_PROXY || '', hostname, port || PORTS[protocol])
  ) {
    return undefined;
  }
  const text = variables[from]!;
  const address = /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    // Without the text, which may hold a password.
    const got = url === undefined ? 'text that is not a URL' : url.protocol;
    throw new MobileNetError(
      'UNSUPPORTED',
      `${from}: expected a proxy as http://host:port, got ${got}; NO_PROXY=${hostname} goes without`,
    );
  }
  return { url, from };
}

const PORTS: Record<string, string> = { 'http:': '80', 'https:': '443' };

/** NO_PROXY: names of hosts, which stand for all below them too, with a port or without; `*` is all. */
function isExcepted(list: string, hostname: string, port: string): boolean {
  return list.split(/[\s,]+/).some((entry) => {
    const [, name = '', onlyPort = port] = /^(?:\*?\.)?(.*?)(?::(\d+))?$/.exec(entry.toLowerCase())!;
    if (name === '' || onlyPort !== port) return false;
    return name === '*' || hostname === name || hostname.endsWith(`.${name}`);
  });
}
