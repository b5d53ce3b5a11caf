/** Files by URL, with stand-ins for the network. Real servers answer in test/platforms/files.test.ts. */
import { afterEach, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import { checkAnswer, nameOf, readStream, readUrl, requestFile } from '../../src/base/fetcher.js';
import { RawImage } from '../../src/images/raw-image.js';
import { expectRefusal } from '../helpers/pictures.js';
import { simplePng } from '../helpers/png-files.js';

const { platform } = env;
afterEach(() => {
  env.platform = platform;
});

/** A network that gives this answer, or fails with this error. */
function network(answer: Response | unknown): unknown[] {
  const asked: unknown[] = [];
  const fetch = async (target: unknown) => {
    asked.push(target);
    if (answer instanceof Response) return answer;
    throw answer;
  };
  env.platform = { ...platform, fetch };
  return asked;
}

/** A stream of ones without an end. `given` counts its bytes. */
function endless(chunk: number) {
  const seen = { given: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        seen.given += chunk;
        controller.enqueue(new Uint8Array(chunk).fill(1));
      },
      cancel() {
        seen.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { seen, stream };
}

describe('a request', () => {
  it('goes by the way of the platform, for a picture as a Request too', async () => {
    const asked = network(new Response(new Uint8Array(simplePng({}, [[7]]))));
    const request = new Request('http://a.test/x.png');
    expect(Array.from((await RawImage.read(request)).data)).toEqual([7]);
    expect(asked).toEqual([request]);
  });

  it.each([
    [
      'the reason that Node hides',
      new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') }),
      'x: connect ECONNREFUSED',
    ],
    ['the message where that is all', new TypeError('Failed to fetch'), 'x: Failed to fetch'],
    [
      'the message where the reason is empty',
      new TypeError('fetch failed', { cause: new Error('') }),
      'x: fetch failed',
    ],
    ['what was thrown where it is no error', 'refused', 'x: refused'],
  ])('that fails tells %s', async (_, cause, message) => {
    network(cause);
    const error = await expectRefusal(() => requestFile('http://a.test/x', 'x'), 'IO');
    expect(error).toMatchObject({ message, file: 'x', cause });
  });

  it('that is aborted fails with the reason', async () => {
    network(new TypeError('fetch failed'));
    const signal = AbortSignal.abort('enough');
    await expect(requestFile('http://a.test/x', 'x', signal)).rejects.toThrow('fetch failed');
  });
});

describe('an answer', () => {
  it.each([
    [404, 'NOT_FOUND'],
    [410, 'NOT_FOUND'],
    [403, 'IO'],
    [503, 'IO'],
  ] as const)('of %i is %s', async (status, code) => {
    const answer = new Response('', { status, statusText: 'why' });
    const error = await expectRefusal(() => checkAnswer(answer, 'x'), code, `x: the server answers ${status} why`);
    expect(error.file).toBe('x');
  });

  it('above the limit by its own word is not read', async () => {
    const { seen, stream } = endless(10);
    network(new Response(stream, { headers: { 'content-length': '1001' } }));
    await expectRefusal(() => readUrl('http://a.test/x', 'x', 1000), 'LIMIT', /more than 1000 bytes.*imageBytes/);
    expect(seen).toEqual({ given: 0, cancelled: true });
  });

  it('above the limit against its word is given up there', async () => {
    const { seen, stream } = endless(100);
    network(new Response(stream, { headers: { 'content-length': '5' } }));
    await expectRefusal(() => readUrl('http://a.test/x', 'x', 1000), 'LIMIT');
    expect(seen).toEqual({ given: 1100, cancelled: true });
  });

  it.each([['many'], [undefined], ['3']])('that says its length is %s is read', async (length) => {
    network(new Response('abc', { headers: length === undefined ? {} : { 'content-length': length } }));
    expect(await readUrl('http://a.test/x', 'x', 3)).toEqual(Uint8Array.of(97, 98, 99));
  });

  it('without a body is empty', async () => {
    network(new Response(null, { status: 200 }));
    expect(await readUrl('http://a.test/x', 'x', 3)).toEqual(new Uint8Array());
  });
});

describe('a stream', () => {
  it('is told chunk by chunk', async () => {
    const told: number[] = [];
    const chunks = [Uint8Array.of(1, 2), Uint8Array.of(3)];
    const bytes = await readStream(chunks, 'x', 9, undefined, { onChunk: (loaded) => told.push(loaded) });
    expect({ bytes, told }).toEqual({ bytes: Uint8Array.of(1, 2, 3), told: [2, 3] });
  });

  it('of something else is refused', async () => {
    await expectRefusal(
      () => readStream(['text'] as never, 'x', 9),
      'ARG',
      'x: expected a stream of bytes, got "text"',
    );
  });

  it('that fails is IO, and its own reason after an abort', async () => {
    const broken = () => new ReadableStream({ pull: () => Promise.reject(new Error('cut')) });
    await expectRefusal(() => readStream(broken(), 'x', 9), 'IO', 'x: cut');
    const signal = AbortSignal.abort();
    await expect(readStream(broken(), 'x', 9, undefined, { signal })).rejects.toThrow(/^cut$/);
  });
});

it('a long address is shortened', () => {
  expect(nameOf('a'.repeat(200))).toBe('a'.repeat(200));
  expect(nameOf('a'.repeat(201))).toBe(`${'a'.repeat(200)}…`);
});
