/** Redirects of a hub, with a stand-in for the network; and which address a hub may have. */
import { afterEach, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import { MobileNetError } from '../../src/base/errors.js';
import { IdleTimeout } from '../../src/base/idle.js';
import { makeRemote } from '../../src/hub/names.js';
import { get } from '../../src/hub/request.js';

const { fetch } = env;
afterEach(() => {
  env.fetch = fetch;
});

/** Asks for `start`; `answer` says what each address gives. Gives what was asked for, with the way redirects are taken. */
async function ask(start: string, answer: (url: string, redirect: string | undefined) => Response) {
  const asked: [url: string, redirect: string | undefined, token: string | null][] = [];
  env.fetch = async (url, { redirect, headers } = {}) => {
    asked.push([String(url), redirect, new Headers(headers).get('authorization')]);
    if (asked.length > 9) throw new TypeError('asked for ever');
    return answer(String(url), redirect);
  };
  const timer = new IdleTimeout(undefined, (message) => new MobileNetError('IO', message));
  try {
    const response = await get(makeRemote('org/dogs', start, 'secret'), new URL(start), 'the file', timer);
    return { text: await response.text(), asked };
  } finally {
    timer.close();
  }
}

const redirectTo = (location: string) => new Response(null, { status: 302, headers: { location } });

it.each([
  ['http://hub.example/', 'https://hub.example/b'],
  ['http://hub.example/', 'http://other.example/b'],
  ['https://hub.example/', 'https://other.example/b'],
])('from %s to %s is followed, and the token stays with the hub', async (start, next) => {
  const { text, asked } = await ask(start, (url) => (url === start ? redirectTo(next) : new Response('here')));
  expect(text).toBe('here');
  expect(asked).toEqual([
    [start, 'manual', 'Bearer secret'],
    [next, 'manual', null],
  ]);
});

it.each([
  ['https://hub.example/', 'http://hub.example/b', 'a redirect to http:'],
  ['https://hub.example/', 'file:///etc/passwd', 'a redirect to file:'],
  ['https://hub.example/', 'https://', 'a redirect to text that is not a URL'],
  ['https://hub.example/', 'https://hub.example/', 'redirects that lead nowhere'],
])('from %s to %s is refused', async (start, next, says) => {
  const call = ask(start, () => redirectTo(next));
  await expect(call).rejects.toMatchObject({ code: 'IO', message: `the file: the hub answers with ${says}` });
});

it('that a browser does not show it follows by itself', async () => {
  const start = 'https://hub.example/';
  const { text, asked } = await ask(start, (_, redirect) => {
    const hidden = Object.defineProperty(Response.error(), 'type', { value: 'opaqueredirect' });
    return redirect === 'follow' ? new Response('here') : hidden;
  });
  expect(text).toBe('here');
  expect(asked.map(([, redirect]) => redirect)).toEqual(['manual', 'follow']);
});

it.each([
  '',
  'hub.example',
  'ftp://hub.example/',
  'file:///models',
  'https://user@hub.example/',
  'https://:pw@hub.example/',
])('a hub is not at %s', (host) => {
  expect(() => makeRemote('org/dogs', host, undefined)).toThrow(/expected an http\(s\) URL without a password/);
});
