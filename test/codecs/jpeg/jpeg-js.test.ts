/**
 * A second opinion: jpeg-js, which another made, sees the same pictures as we do, but for its way to enlarge colours. It is
 * what decodes where there is no WebAssembly, so damaged files are held to that too.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MobileNetError } from '../../../src/base/errors.js';
import { decodeJpeg } from '../../../src/codecs/jpeg/decode.js';
import * as jpegJs from '../../../src/codecs/jpeg/jpeg-js.js';
import { difference } from '../../helpers/difference.js';
import { shared, sharedFiles } from '../../helpers/shared.js';

const json = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../goldens/images/${name}`, import.meta.url)).toString());
const damaged: Record<string, { file: string; pillow: number | null }> = json('tolerance.json').jpeg;

/** What jpeg-js, even after `repairJpeg`, does not decode, and we do. */
const OURS_ALONE = /^(rstp_(?!extra)|dri_without_rst_prog|no_eoi_trailing_zeros)/;

const sound = sharedFiles('jpeg').filter((name) => name !== 'black-6000x6000.jpg');

describe.skipIf(sound.length === 0)('sound files', () => {
  it.each(sound)('%s', async (name) => {
    const bytes = readFileSync(shared(`jpeg/${name}`));
    const { max, mean } = difference((await decodeJpeg(bytes, name)).data, (await jpegJs.decodeJpeg(bytes, name)).data);
    // Hard edges between colours that are stored at half the size.
    const [most, mostMean] = name === 'marker-ffdc.jpg' ? [90, 6] : [30, 1];
    expect(max).toBeLessThanOrEqual(most);
    expect(mean).toBeLessThan(mostMean);
  });
});

describe('damaged files', () => {
  it.each(Object.entries(damaged))('%s', async (name, { file, pillow }) => {
    const bytes = Buffer.from(file, 'base64');
    const theirs = await jpegJs.decodeJpeg(bytes, name).catch((error: unknown) => error);
    if (theirs instanceof Error) {
      expect(theirs).toBeInstanceOf(MobileNetError);
      if (pillow !== null) expect(name).toMatch(OURS_ALONE);
      return;
    }
    const ours = await decodeJpeg(bytes, name);
    // Where libjpeg smooths blocks, jpeg-js shows them.
    const most = name === 'cut_prog_scans_eoi' ? 8 : 3;
    expect(difference((theirs as typeof ours).data, ours.data).mean).toBeLessThan(most);
  });
});
