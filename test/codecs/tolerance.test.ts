/**
 * Damaged files that Pillow and browsers open: the same pixels and one warning from us, or a refusal; never wrong pixels
 * without a word. Expected values are Pillow's (goldens/images/tolerance.py).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { env } from '../../src/base/env.js';
import { RawImage } from '../../src/images/raw-image.js';
import { edgePlatform } from '../../src/platforms/edge.js';
import { nodePlatform } from '../../src/platforms/node/platform.js';
import { expectRefusal } from '../helpers/pictures.js';
import { shared, withoutShared } from '../helpers/shared.js';

/** A file, and CRC-32 of the pixels that Pillow sees in it; null where it refuses it. */
type Entry = { file: string; pillow: number | null };
const goldens: Record<'png' | 'jpeg', Record<string, Entry>> = JSON.parse(
  readFileSync(new URL('../goldens/images/tolerance.json', import.meta.url), 'utf8'),
);

/** What Pillow opens and we do not: files whose pixels may be wrong, which Chromium refuses as well. */
const REFUSED = new Set([
  'rows_missing', 'idat_badcrc', 'unknown_crit', 'CgBI', 'two_plte_rgb', 'two_ihdr', 'pal_empty', 'pal_none',
  'pal_after_idat', 'pal_two',
]); // biome-ignore format: a list
/** What Pillow does not open and Chromium does, with the pixels of the sound file: nothing of a pixel is damaged. */
const CHROMIUM = new Set([
  'text_badcrc', 'gama_badcrc', 'junk_after_idat', 'truncated_text_after_idat', 'long_chunk_after_idat', 'tem_between_segments',
]); // biome-ignore format: a list
/** Sound, or damaged where no pixel depends on it. */
const SILENT =
  /^(base|b420|prog|grey|rst|rst420|rstg|rstp|pal_base|pal_trns_long|zlib_window_small|fill_bytes|junk_before_eoi.*|zeros_before_eoi|trailing|two_images|.*_extra_at_end|dht_count_4|noapp0|sos_bad_band2?|ff_fill.*|sof1|shorter|cut_prog_scans_eoi|flip)$/;

const warnings: string[] = [];
const said = env.onWarning;
beforeEach(() => {
  warnings.length = 0;
  env.onWarning = (message) => warnings.push(message);
});
afterEach(() => {
  env.onWarning = said;
  env.platform = nodePlatform;
});

const bytesOf = (file: string) => new File([Buffer.from(file, 'base64')], 'damaged.file');

function expectWarning(name: string): void {
  expect(warnings.length, warnings.join()).toBe(SILENT.test(name) ? 0 : 1);
  if (warnings.length > 0) expect(warnings[0]).toMatch(/^damaged\.file: read although /);
}

describe.each(Object.entries({ node: nodePlatform, edge: edgePlatform }))('%s', (_, platform) => {
  beforeEach(() => {
    env.platform = platform;
  });

  it.each(Object.entries(goldens.png))('PNG: %s', async (name, { file, pillow }) => {
    const expected = CHROMIUM.has(name) ? goldens.png.base.pillow : pillow;
    if (expected === null || REFUSED.has(name)) {
      const code = name === 'unknown_crit' ? 'UNSUPPORTED' : 'IMAGE';
      await expectRefusal(() => RawImage.read(bytesOf(file)), code, /damaged\.file/);
      expect(warnings).toEqual([]);
      return;
    }
    expect(crc32((await RawImage.read(bytesOf(file))).rgb().data)).toBe(expected);
    expectWarning(name);
  });

  it.each(Object.entries(goldens.jpeg))('JPEG: %s', async (name, { file, pillow }) => {
    const expected = CHROMIUM.has(name) ? goldens.jpeg.base.pillow : pillow;
    if (expected === null || REFUSED.has(name)) {
      const code = ['missing_soi', 'height0'].includes(name) ? 'UNSUPPORTED' : 'IMAGE';
      await expectRefusal(() => RawImage.read(bytesOf(file)), code, /damaged\.file/);
      expect(warnings).toEqual([]);
      return;
    }
    expect(crc32((await RawImage.read(bytesOf(file))).rgb().data)).toBe(expected);
    expectWarning(name);
  });
});

describe.skipIf(withoutShared('cases of damaged pictures'))('files of the wild', () => {
  it.each(['09-png-tolerance', '16-jpeg-tolerance'])('%s', async (folder) => {
    const files = readdirSync(shared(`cases/${folder}`));
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) {
      warnings.length = 0;
      await RawImage.read(shared(`cases/${folder}/${file}`));
      expect(warnings.length, file).toBe(1);
      expect(warnings[0]).toContain(file);
    }
  });
});
