/**
 * What a JPEG in several scans may cost. Its pixels alone do not say it: the coefficients of such a picture are kept until
 * the last scan, and every scan may go over all of them again for a few bytes of the file.
 */
import { mostPixels, refuseWork } from '../header.js';
import type { JpegComponent, JpegFrame } from './header.js';

/**
 * Coefficients that are kept, of two bytes each: so many a pixel, and 19 million (a part of the limit) more.
 * With the pixels themselves that makes 8 bytes a pixel, and 38 MB. Full chroma (4:4:4) has 3 a pixel, 4:2:0 has 1.5.
 */
const KEPT_A_PIXEL = 2.5;
const KEPT_OF_LIMIT = 0.38;

/**
 * Coefficients that all scans together go over, as a multiple of the limit. 800 million take 0.6 to 1.6 s.
 * The usual scans of an encoder (jcparam.c, `jpeg_simple_progression`) go 9 times over a picture of full chroma.
 */
const VISITED_OF_LIMIT = 16;

/** Throws LIMIT for more coefficients than are kept. */
export function checkKept(frame: JpegFrame, file: string, offset: number): void {
  const { width, height, components, maxH, maxV } = frame;
  const mcus = Math.ceil(width / (8 * maxH)) * Math.ceil(height / (8 * maxV));
  const kept = 64 * components.reduce((sum, { h, v }) => sum + mcus * h * v, 0);
  if (kept <= KEPT_A_PIXEL * width * height + KEPT_OF_LIMIT * mostPixels()) return;
  refuseWork(file, offset, `a JPEG in several scans keeps ${kept} coefficients`);
}

/** What a scan costs a block beside its coefficients, in coefficients. */
const VISITED_A_BLOCK = 16;

/** What a scan of so many blocks goes over. */
export function visitedBy(blocks: number, coefficients: number): number {
  return blocks * (coefficients + VISITED_A_BLOCK);
}

/** Throws LIMIT where scans have gone over more coefficients than they may. */
export function checkVisited(visited: number, file: string, offset: number): void {
  if (visited <= VISITED_OF_LIMIT * mostPixels()) return;
  refuseWork(file, offset, `scans that go over ${visited} coefficients`);
}

/** Blocks of 8×8 samples in a scan (A.2): whole MCUs where components interleave, else only those the picture needs. */
export function blocksOf(components: readonly JpegComponent[], { width, height, maxH, maxV }: JpegFrame): number {
  if (components.length > 1) {
    const mcus = Math.ceil(width / (8 * maxH)) * Math.ceil(height / (8 * maxV));
    return components.reduce((sum, { h, v }) => sum + mcus * h * v, 0);
  }
  const [{ h, v }] = components;
  return Math.ceil((width * h) / maxH / 8) * Math.ceil((height * v) / maxV / 8);
}
