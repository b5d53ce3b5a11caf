/**
 * Any picture within the limits, in a process with 256 MB of heap: what it costs to decode it and to classify it. Of 12
 * megapixels in a usual run, of 50 with `LARGE_PICTURES=50`, which the page's figures are of.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, temporaryFolder } from '../helpers/cli.js';
import { largePictures } from './large-pictures.js';
import { Ledger } from './ledger.js';

const ledger = new Ledger('pictures', 'LARGE_PICTURES=50 npx vitest run test/reliability/pictures.test.ts');

const MEGAPIXELS = Number(process.env.LARGE_PICTURES ?? 12);
const pictures = largePictures(MEGAPIXELS * 1_000_000);
/** Of a few kinds a usual run is enough: one by every way through the decoders. */
const usual =
  /^JPEG, (CMYK, progressive, DC|YCbCr, progressive, turned|100 scans)|RGB, interlaced, 1×N|RGBA of 16 bits, N×1|checksum/;
const chosen = MEGAPIXELS >= 50 ? pictures : pictures.filter(({ what, refused }) => refused || usual.test(what));

const MOST_CPU_MS = 2000;
/** Bytes of Node and the library, and with the network. */
const MOST_FIXED = { decode: 100_000_000, classify: 160_000_000 };
/** Bytes of a pixel. The file is there beside, once as it was read, and once for the decoder. */
const MOST_A_PIXEL = 8;

interface Cost {
  code: string;
  cpuMs: number;
  peak: number;
}

/** Other programs on the machine only ever add to a time: one that is too high is measured again. */
function costOf(deed: 'decode' | 'classify', file: string, runs = 5): Cost {
  const child = join(ROOT, 'test/reliability/large-picture.mjs');
  const args = ['--max-old-space-size=256', child, deed, file];
  const cost: Cost = JSON.parse(execFileSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' }));
  return cost.cpuMs < MOST_CPU_MS || runs === 1 ? cost : costOf(deed, file, runs - 1);
}

describe.skipIf(!existsSync('/proc/self/status'))('any picture within the limits (needs /proc)', () => {
  it.each(chosen.map((picture) => [picture.what, picture] as const))('%s', async (what, picture) => {
    const { width, height, make, refused = false } = picture;
    const file = join(temporaryFolder(), 'large');
    writeFileSync(file, await make());
    const { size } = statSync(file);
    const most = MOST_A_PIXEL * width * height + 2 * size;
    const notes: string[] = [];
    for (const deed of ['decode', 'classify'] as const) {
      const { code, cpuMs, peak } = costOf(deed, file);
      expect(code).toBe(refused ? 'LIMIT' : 'read');
      expect(cpuMs).toBeLessThan(MOST_CPU_MS);
      expect(peak).toBeLessThan(MOST_FIXED[deed] + most);
      notes.push(`${deed} ${cpuMs.toFixed(0)} ms, ${(peak / 1e6).toFixed(0)} MB`);
      const title = `${what}${/×[1N]/.test(what) ? '' : `, ${width}×${height}`}`;
      const note = notes.join('; ');
      ledger.add({ what: title, tried: 1, accepted: refused ? 0 : 1, worstMs: cpuMs, rssMiB: peak / 2 ** 20, note });
    }
  });
});
