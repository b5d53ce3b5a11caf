/** The tests of PNG and JPEG once more, with the codecs of edge runtimes; and their writer, read back by pngjs. */
import { PNG } from 'pngjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import { decodePng, encodePng } from '../../src/codecs/png/decode.js';
import { edgePlatform } from '../../src/platforms/edge.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { chunk, IEND, idat, ihdr, png } from '../helpers/png-files.js';
import '../codecs/png.test.js';
import '../codecs/jpeg.test.js';

beforeEach(() => {
  env.platform = { ...edgePlatform, readFile: nodePlatform.readFile! }; // some tests read files by path
});

describe('the codecs of edge runtimes', () => {
  it.each([1, 3, 4] as const)('write %i channels that pngjs reads', async (channels) => {
    const data = Uint8Array.from({ length: 7 * 5 * channels }, (_, i) => (i * 89) & 255);
    const bytes = await encodePng({ data, width: 7, height: 5, channels });
    const theirs = PNG.sync.read(Buffer.from(bytes));
    const ours = await decodePng(bytes, 'written');
    const kept = (i: number) => i % 4 < (channels === 1 ? 1 : 3);
    expect(Array.from(ours.data)).toEqual(Array.from(theirs.data).filter((_, i) => kept(i)));
    expect(Array.from(ours.data)).toEqual(Array.from(data).filter((_, i) => channels !== 4 || i % 4 !== 3));
  });

  it('take a palette beside RGB for the suggestion that it is', async () => {
    const { data } = await decodePng(
      png(ihdr({ colourType: 2 }), chunk('PLTE', [7, 7, 7]), idat([0, 1, 2, 3]), IEND),
      'rgb',
    );
    expect(Array.from(data)).toEqual([1, 2, 3]);
  });
});
