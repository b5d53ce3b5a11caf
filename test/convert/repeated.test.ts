/** What converting unpacks: only what the network takes, and no more than weights may have. */

import { readFileSync } from 'node:fs';
import { deflateRawSync, gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { crc32 } from '../../src/base/bytes.js';
import { env } from '../../src/base/env.js';
import { convert } from '../../src/entries/convert-node.js';
import { type Group, hdf5 } from '../helpers/hdf5-files.js';
import { expectError, utf8, zip } from '../helpers/weight-files.js';

const before = { ...env.limits };
afterEach(() => {
  Object.assign(env.limits, before);
});

/** A .keras: a deflated zip of a graph and of weights, the sizes of what comes out in its directory. */
function keras(weights: Uint8Array): Uint8Array {
  const config = utf8(JSON.stringify({ class_name: 'Model', config: { layers: [] } }));
  const files = [
    ['config.json', config],
    ['model.weights.h5', weights],
  ] as const;
  const bytes = zip(
    files.map(([name, data]) => ({ name, data: new Uint8Array(deflateRawSync(data)), method: 8, crc: crc32(data) })),
  );
  const view = new DataView(bytes.buffer);
  let entry = 0;
  for (let at = 0; at < bytes.length - 4; at++) {
    if (view.getUint32(at, true) === 0x02014b50) view.setUint32(at + 24, files[entry++][1].length, true);
  }
  return bytes;
}

describe('gzip in HDF5 in deflate', () => {
  /** Each named layer has a kernel of 4 MiB of zeros. */
  const model = (...names: string[]) =>
    keras(
      hdf5(
        new Map(
          names.map((name): [string, Group] => [name, new Map([['kernel', { dims: [1024, 32, 32, 1], chunk: 1024 }]])]),
        ),
      ),
    );

  test('of tensors without a place nothing is unpacked', async () => {
    const bytes = model('Conv1', 'expanded_conv_depthwise', 'other_1', 'other_2');
    const { inflate } = env.platform;
    let made = 0;
    env.platform.inflate = async (...packed) => {
      const out = await inflate!(...packed);
      made += out.length;
      return out;
    };
    try {
      await expectError(() => convert(bytes, { file: 'm.keras' }), { code: 'UNSUPPORTED', says: ['other_1'] });
    } finally {
      env.platform.inflate = inflate!;
    }
    expect(made).toBeLessThan(50_000); // the zip's two entries, and none of 4 MiB
  });

  test('what is unpacked on the way counts against the limit', () => {
    env.limits.weightsBytes = 10_000;
    return expectError(() => convert(model('Conv1', 'expanded_conv_depthwise', 'a', 'b'), { file: 'm.keras' }), {
      code: 'LIMIT',
      file: 'm.keras',
      says: ['model.weights.h5'],
    });
  });
});

describe('abort', () => {
  const bytes = new Uint8Array(
    gunzipSync(readFileSync(new URL('../goldens/convert/sequential.h5.gz', import.meta.url))),
  );

  test('before and while a model is converted', async () => {
    const early = AbortSignal.abort(new Error('before'));
    await expect(convert(bytes, { signal: early })).rejects.toThrow('before');
    const stop = new AbortController();
    const running = convert(bytes, { signal: stop.signal });
    stop.abort(new Error('while'));
    await expect(running).rejects.toThrow('while');
    expect((await convert(bytes, { signal: new AbortController().signal })).from).toBe('keras');
  });

  test('a signal that is none', () =>
    expectError(() => convert(bytes, { signal: {} as AbortSignal }), { code: 'ARG', says: ['signal'] }));
});
