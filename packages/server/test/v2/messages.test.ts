import { describe, expect, it } from 'vitest';
import { ServeError } from '../../src/errors.js';
import { checkRequest } from '../../src/v2/messages.js';

const input = { name: 'pixel_values', shape: [1, 2], datatype: 'FP32', data: [1, 2] };

describe('a request', () => {
  it('is taken with nothing but inputs', () => {
    expect(checkRequest({ inputs: [input] })).toEqual({
      id: undefined,
      parameters: {},
      inputs: [{ ...input, parameters: {} }],
      outputs: undefined,
    });
  });

  it('may say null for what it does not have, as clients do that write all their fields', () => {
    const full = { id: null, parameters: null, inputs: [{ ...input, parameters: null }], outputs: null };
    expect(checkRequest(full)).toEqual(checkRequest({ inputs: [input] }));
  });

  it('asks for all outputs with an empty list', () => {
    expect(checkRequest({ inputs: [input], outputs: [] }).outputs).toBeUndefined();
  });

  it('keeps parameters that nobody here knows', () => {
    expect(checkRequest({ inputs: [input], parameters: { sequence_id: 4 } }).parameters).toEqual({ sequence_id: 4 });
  });
});

describe('is refused, with the place, for', () => {
  const parameters = { shared_memory_region: 'x' };
  it.each<[string, unknown, string]>([
    ['a list', [], 'request: expected an object, got []'],
    ['nothing', null, 'request: expected an object, got null'],
    ['an id that is a number', { id: 7, inputs: [input] }, 'id: expected a string, got 7'],
    ['no inputs', {}, 'inputs: expected an array of at most 16 tensors, got nothing'],
    ['an input that is text', { inputs: ['x'] }, 'inputs[0]: expected an object, got "x"'],
    ['a name that is empty', { inputs: [{ ...input, name: '' }] }, 'inputs[0].name: expected a string, got ""'],
    [
      'a size below zero',
      { inputs: [{ ...input, shape: [-1] }] },
      'inputs[0].shape: expected 1 to 8 whole numbers, got [-1]',
    ],
    ['a size with a fraction', { inputs: [{ ...input, shape: [1.5] }] }, 'inputs[0].shape: expected 1 to 8 whole'],
    [
      'no shape',
      { inputs: [{ ...input, shape: undefined }] },
      'inputs[0].shape: expected 1 to 8 whole numbers, got nothing',
    ],
    ['a ninth dimension', { inputs: [{ ...input, shape: Array(9).fill(1) }] }, 'inputs[0].shape: expected 1 to 8'],
    ['an unknown type', { inputs: [{ ...input, datatype: 'FLOAT' }] }, 'inputs[0].datatype: expected one of BOOL'],
    ['the same input twice', { inputs: [input, input] }, 'inputs: expected every name once, got "pixel_values"'],
    ['a hundred inputs', { inputs: Array(100).fill(input) }, 'inputs: expected an array of at most 16 tensors'],
    ['an output without a name', { inputs: [input], outputs: [{}] }, 'outputs[0].name: expected a string, got nothing'],
    ['parameters that are text', { inputs: [input], parameters: 'x' }, 'parameters: expected an object, got "x"'],
    ['shared memory', { inputs: [{ ...input, parameters }] }, 'inputs[0].parameters: expected tensors in the request'],
  ])('%s', (_what, request, message) => {
    expect(() => checkRequest(request)).toThrow(message);
    expect(() => checkRequest(request)).toThrow(ServeError);
  });

  it('a name a megabyte long, in a short message', () => {
    const request = { inputs: [{ ...input, datatype: 'x'.repeat(1e6) }] };
    const error = (() => {
      try {
        checkRequest(request);
      } catch (thrown) {
        return thrown as Error;
      }
      return undefined;
    })();
    expect(error?.message.length).toBeLessThan(300);
  });
});
