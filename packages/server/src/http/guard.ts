/** Who may ask: the check of the host that was asked for, and the token. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { ServeError } from '../errors.js';

export interface GuardOptions {
  /** Hosts that requests may name, without ports; any when left out. */
  hosts?: readonly string[];
  /** What requests must carry as `Authorization: Bearer …`; nothing when left out. */
  token?: string;
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** As URLs write it. */
const bracketed = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);

/**
 * The hosts that requests may name. A page from anywhere can have its own name point at 127.0.0.1 and then ask whatever listens
 * there. A server for other machines cannot know by which names they call it, so it takes any.
 * @param address that is listened on
 * @param allowed what the user allows besides
 * @returns undefined for any
 */
export function allowedHosts(address: string, allowed: readonly string[] = []): readonly string[] | undefined {
  const loopback = LOOPBACK.includes(bracketed(address)) || address.startsWith('127.');
  if (!loopback && allowed.length === 0) return undefined;
  return [...LOOPBACK, bracketed(address), ...allowed.map(bracketed)].map((host) => host.toLowerCase());
}

/** `example.org:80` → `example.org`; undefined for what is no host. */
function hostname(header: string | undefined): string | undefined {
  if (header === undefined || !/^[\w.:[\]-]+$/.test(header)) return undefined;
  const { hostname } = URL.canParse(`http://${header}`) ? new URL(`http://${header}`) : {};
  return hostname;
}

/** Of the same length whatever was given, so that the comparison takes the same time. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Whether the value of an `Authorization` is the token; yes where none is asked for. */
export function tokenCheck(token: string | undefined): (authorization: string | undefined) => boolean {
  if (token === undefined) return () => true;
  const expected = digest(token);
  return (authorization = '') => {
    const [, given = ''] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
    return timingSafeEqual(digest(given), expected);
  };
}

/** For a request without the right token. */
export const noToken = (): ServeError => new ServeError('UNAUTHORIZED', 'expected a token: Authorization: Bearer …');

export function guard(app: FastifyInstance, { hosts, token }: GuardOptions): void {
  const accepts = tokenCheck(token);
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.open) return;
    if (hosts !== undefined && !hosts.includes(hostname(request.headers.host) ?? '')) {
      throw new ServeError('FORBIDDEN', 'host: this server does not answer to that name; --allow-host adds one');
    }
    if (accepts(request.headers.authorization)) return;
    reply.header('www-authenticate', 'Bearer');
    throw noToken();
  });
}
