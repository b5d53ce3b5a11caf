/**
 * What a file is by its first bytes; names and media types lie. PNG and JPEG are decoded everywhere. The others are told
 * apart so that a place that can decode them knows what came, and else the refusal can say it.
 */

/** First bytes of formats people hand over as pictures. A space between bytes is only for the eye; `..` is any byte. */
const SIGNATURES: readonly (readonly [format: string, bytes: string])[] = [
  ['PNG', '89 50 4e 47 0d 0a 1a 0a'],
  ['JPEG', 'ff d8'],
  ['GIF', '47 49 46 38'],
  ['WebP', '52 49 46 46 .. .. .. .. 57 45 42 50'],
  ['AVIF', '.. .. .. .. 66 74 79 70 61 76 69'], // ftypavif, ftypavis
  ['HEIC', '.. .. .. .. 66 74 79 70 68 65'], // ftypheic, ftypheix, ftyphevc
  ['HEIC', '.. .. .. .. 66 74 79 70 6d 69 66 31'], // ftypmif1
  ['HEIC', '.. .. .. .. 66 74 79 70 6d 73 66 31'], // ftypmsf1
  ['video (MP4 or QuickTime)', '.. .. .. .. 66 74 79 70'],
  ['TIFF', '49 49 2a 00'],
  ['TIFF', '4d 4d 00 2a'],
  ['TIFF', '49 49 2b 00'], // BigTIFF
  ['TIFF', '4d 4d 00 2b'],
  ['JPEG XL', 'ff 0a'],
  ['JPEG XL', '00 00 00 0c 4a 58 4c 20'],
  ['JPEG 2000', '00 00 00 0c 6a 50 20 20'],
  ['JPEG 2000', 'ff 4f ff 51'],
  ['Photoshop', '38 42 50 53'],
  ['Windows icon', '00 00 01 00'],
  ['PDF', '25 50 44 46'],
  ['ZIP', '50 4b 03 04'],
  ['gzip', '1f 8b'],
  ['BMP', '42 4d'],
];

const PATTERNS = SIGNATURES.map(([format, bytes]) => ({
  format,
  bytes: bytes.split(' ').map((byte) => (byte === '..' ? null : Number.parseInt(byte, 16))),
}));

/** The formats besides PNG and JPEG that some browser decodes. */
export const MEDIA_TYPES: Readonly<Record<string, string>> = {
  GIF: 'image/gif',
  WebP: 'image/webp',
  AVIF: 'image/avif',
  BMP: 'image/bmp',
  SVG: 'image/svg+xml',
  HEIC: 'image/heic',
  TIFF: 'image/tiff',
  'Windows icon': 'image/x-icon',
  'JPEG XL': 'image/jxl',
  'JPEG 2000': 'image/jp2',
};

/** How far a text is looked at. */
const TEXT_BYTES = 512;

/**
 * @returns 'PNG', 'JPEG', or another format in words; 'damaged PNG' where the signature is hurt but its header chunk is
 *   there; 'unknown' followed by the first bytes
 */
export function detectFormat(bytes: Uint8Array): string {
  const found = PATTERNS.find((pattern) =>
    pattern.bytes.every((byte, i) => (byte === null ? i < bytes.length : bytes[i] === byte)),
  );
  if (found) return found.format;
  const start = bytes.subarray(0, TEXT_BYTES);
  // Transfer as text changes line ends, which PNG's signature is there to show (PNG specification, 12.12).
  if (latin1(start.subarray(0, 32)).includes('IHDR') || latin1(start.subarray(1, 4)) === 'PNG') return 'damaged PNG';
  return describeText(start) ?? `unknown (starts with ${hex(start.subarray(0, 8))})`;
}

function describeText(start: Uint8Array): string | undefined {
  const text = utf8(start)?.trimStart().toLowerCase();
  // Control characters other than tabs, line ends and escape are in no text.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (text === undefined || /[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(text)) return undefined;
  if (/^<!doctype html|^<html/.test(text)) return 'HTML';
  if (text.includes('<svg')) return 'SVG';
  if (text.startsWith('<?xml')) return 'XML';
  return 'text';
}

/** Undefined where it is not UTF-8; a character cut off at the end is no fault. */
function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
