/** Triton's `timeout`, found in JSON that is not parsed. */
import { describe, expect, it } from 'vitest';
import { timeoutOf } from '../../src/v2/timeout.js';

const of = (text: string) => timeoutOf(Buffer.from(text));

describe('the timeout of a request', () => {
  it.each<[string, number | undefined]>([
    ['{"parameters":{"timeout":2500}}', 2.5],
    ['{"id":"7","inputs":[{"data":[1,[2,"]"]]}],"parameters" \n: {"a":{"b":[]},"timeout":1000}}', 1],
    ['{"parameters":{"timeout":0}}', undefined],
    ['{"parameters":{"timeout":-5}}', undefined],
    ['{"parameters":{"timeout":"1000"}}', undefined],
    ['{"parameters":{"timeout":1.5}}', undefined],
    ['{"parameters":null,"x":"timeout"}', undefined],
    // Elsewhere it is another's.
    ['{"timeout":1000}', undefined],
    ['{"inputs":[{"parameters":{"timeout":1000}}]}', undefined],
    ['{"inputs":[{"parameters":{"timeout":1000}}],"parameters":{"timeout":2000}}', 2],
    ['{"parameters":{"a":{"timeout":1000}}}', undefined],
    [String.raw`{"id":"\"parameters\":{\"timeout\":1000}","parameters":{"x":"\\","timeout":3000}}`, 3],
    [String.raw`{"id":"\\","parameters":{"timeout":3000}}`, 3],
    // As JSON.parse takes it.
    ['{"parameters":{"timeout":1000},"parameters":{"timeout":2000,"timeout":4000}}', 4],
  ])('%s', (text, expected) => {
    expect(of(text)).toBe(expected);
  });

  it.each([
    '',
    '"timeout"',
    '{"parameters":{"timeout":1000',
    '{"parameters" "timeout"',
    ']]]]"timeout"}}}',
    '{"timeout"\\"',
  ])('none in what is not JSON: %s', (text) => {
    expect(of(text)).toBeUndefined();
  });

  it('only the header of a binary body counts', () => {
    const header = '{"parameters":{"timeout":1000}}';
    expect(timeoutOf(Buffer.from(`${header}{"parameters":{"timeout":9000}}`), header.length)).toBe(1);
    expect(timeoutOf(Buffer.from('{"parameters":{"timeout":9000}}'), 0)).toBeUndefined();
  });

  it('takes time in proportion to the body', () => {
    const quotes = String.raw`\"`.repeat(2 ** 21);
    expect(
      of(`{"id":"${quotes}","x":${'['.repeat(2 ** 21)}${']'.repeat(2 ** 21)},"parameters":{"timeout":1000}}`),
    ).toBe(1);
  });
});
