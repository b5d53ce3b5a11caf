/**
 * The structure of a JPEG, checked before any codec sees the file: our own decoder trusts what is read here, and jpeg-js
 * takes 1 GB for 17 kB that declare 9999×9999, decodes as many scans as there are and throws a bare TypeError where a table is
 * missing. What Pillow and browsers open all the same, junk between segments, Motion JPEG without Huffman tables, restart
 * markers out of order, is read with a warning. Letters and section numbers are those of ITU-T T.81; the colour rules are
 * libjpeg's (jdapimin.c), which are Pillow's.
 */
import { join } from '../../base/bytes.js';
import { env } from '../../base/env.js';
import { MobileNetError } from '../../base/errors.js';
import { type ByteRange, checkPixelLimit, refuse } from '../header.js';
import { blocksOf, checkKept, checkVisited, visitedBy } from './cost.js';
import { standardTable, standardTables } from './tables.js';

/** What the components mean. In CMYK and YCCK the inks are stored inverted, as Adobe does and Pillow assumes of all. */
export type JpegColours = 'grey' | 'ycc' | 'rgb' | 'cmyk' | 'ycck';

/** A component as the frame has it. */
export interface JpegComponent {
  readonly id: number;
  /** Sampling factors: samples across and down in one MCU. */
  readonly h: number;
  readonly v: number;
}

export interface JpegFrame {
  readonly progressive: boolean;
  readonly width: number;
  readonly height: number;
  readonly components: readonly JpegComponent[];
  /** The largest sampling factors. */
  readonly maxH: number;
  readonly maxV: number;
}

/** A component as a scan has it, with the tables that stand in its slots at that moment. */
export interface ScanComponent {
  /** Its number in the frame. */
  readonly index: number;
  /** 64 quantisers in zigzag order. libjpeg takes those of a component's first scan for all. */
  readonly quantisers: Uint16Array;
  /** Huffman tables as DHT has them: slot, 16 counts, symbols. Undefined where the scan does not use them. */
  readonly dc: Uint8Array | undefined;
  readonly ac: Uint8Array | undefined;
}

export interface JpegScan {
  readonly components: readonly ScanComponent[];
  /** Coefficients, in zigzag order, and bits of a progressive pass; of no meaning in other frames. */
  readonly first: number;
  readonly last: number;
  readonly high: number;
  readonly low: number;
  /** MCUs between restart markers; 0 without. */
  readonly interval: number;
  /** Entropy-coded data with the restart markers in them; a marker stands at the end. */
  readonly data: ByteRange;
}

export interface JpegLayout {
  /** In pixels, before EXIF turns them. */
  width: number;
  height: number;
  colours: JpegColours;
  frame: JpegFrame;
  scans: JpegScan[];
  /** Tables, frame, scans and the end: all segments but APPn, COM and DNL. Neighbours are joined. */
  essential: ByteRange[];
  /** Slots of Huffman tables that the file leaves out and means the standard's by. */
  standardTables: number[];
  /** Whether restart markers stand where they belong, in all scans. */
  orderly: boolean;
  /** What our own decoder reads as libjpeg does, and others do not, or not all alike. */
  rare: string | undefined;
  /** Whether the file ends in the data of its only scan. Whether all of them are there, the decoder finds out. */
  endless: boolean;
  /** What is wrong with the file and keeps nobody from decoding it. */
  warnings: string[];
  /** The EXIF block from its TIFF header on. */
  exif?: ByteRange;
}

/** Markers, the byte after 0xFF (table B.1). */
const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const DQT = 0xdb;
const DNL = 0xdc;
const DRI = 0xdd;
const TEM = 0x01;
const DHT = 0xc4;
const APP0 = 0xe0;
const APP1 = 0xe1;
const APP14 = 0xee;
const APP15 = 0xef;
const COM = 0xfe;

/** Frames that libjpeg's usual build and every browser decode too. */
const SOF_BASELINE = 0xc0;
const SOF_EXTENDED = 0xc1;
const SOF_PROGRESSIVE = 0xc2;
/** Frames and tables that are valid and rare. */
const UNSUPPORTED: Record<number, string> = {
  195: 'lossless JPEG (SOF3)',
  197: 'hierarchical JPEG (SOF5)',
  198: 'hierarchical JPEG (SOF6)',
  199: 'hierarchical lossless JPEG (SOF7)',
  200: 'a JPEG extension (JPG)',
  201: 'arithmetic coding (SOF9)',
  202: 'arithmetic coding (SOF10)',
  203: 'arithmetic coding (SOF11)',
  204: 'arithmetic coding (DAC)',
  205: 'arithmetic coding (SOF13)',
  206: 'arithmetic coding (SOF14)',
  207: 'arithmetic coding (SOF15)',
  222: 'hierarchical JPEG (DHP)',
  223: 'hierarchical JPEG (EXP)',
};

/** Pixels of a picture whose data may be fewer than any picture's are. */
const SMALL_PIXELS = 1_000_000;

interface Component extends JpegComponent {
  /** Its number in the frame. */
  index: number;
  /** The slot of its quantisation table. */
  quantisation: number;
  /** Whether a scan has brought its DC coefficients. */
  begun: boolean;
}

interface Frame extends JpegFrame {
  readonly components: readonly Component[];
}

/**
 * Walks over all segments of a file that starts with SOI. Bytes after EOI do not matter.
 *
 * @throws MobileNetError IMAGE, with file and offset, for a file that is not a valid JPEG; LIMIT for more than
 *   `env.limits.imagePixels` or `env.limits.jpegScans`, and for scans that cost more than cost.ts allows; UNSUPPORTED for
 *   arithmetic, lossless and hierarchical JPEG, 12-bit samples and fractional sampling
 */
export function readJpeg(bytes: Uint8Array, file: string): JpegLayout {
  return new JpegWalk(bytes, file).read();
}

class JpegWalk {
  readonly #bytes: Uint8Array;
  readonly #file: string;
  readonly #essential: ByteRange[] = [];
  /** Slots that hold a table. Huffman slots: 0 to 3 for DC, 16 to 19 for AC, as DHT numbers them. */
  readonly #quantisation = new Map<number, Uint16Array>();
  readonly #huffman = new Map<number, Uint8Array>();
  #frame: Frame | undefined;
  readonly #standard = new Set<number>();
  readonly #warnings = new Set<string>();
  /** MCUs between restart markers; 0 without. */
  #interval = 0;
  #orderly = true;
  #rare: string | undefined;
  #endless = false;
  readonly #scans: JpegScan[] = [];
  /** Coefficients that they go over, together. */
  #visited = 0;
  #jfif = false;
  /** The transform byte of Adobe's APP14, where there is one. */
  #adobe: number | undefined;
  #exif: ByteRange | undefined;

  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#file = file;
  }

  read(): JpegLayout {
    this.#keep(0, 2); // SOI
    if (this.#bytes.length > 2 && this.#bytes[2] !== 0xff) {
      this.#refuse(2, `expected a marker at byte 2, got ${hex(this.#bytes[2])}`);
    }
    for (let at = 2; ; ) {
      const markerAt = this.#nextMarker(at);
      if (markerAt === undefined) return this.#finish(at);
      const marker = this.#bytes[markerAt];
      if (marker === TEM || isRestart(marker)) {
        this.#warnings.add('markers without a meaning stand between its segments');
        at = markerAt + 1;
        continue;
      }
      if (marker === EOI) {
        this.#keep(markerAt - 1, markerAt + 1);
        return this.#finish(markerAt - 1);
      }
      const start = markerAt + 1;
      const end = this.#segmentEnd(start, marker);
      if (end === undefined) return this.#finish(start);
      at = marker === SOS ? this.#scan(start + 2, end) : end;
      if (this.#segment(marker, start + 2, end)) this.#keep(markerAt - 1, at);
      if (this.#endless) return this.#finish(at);
    }
  }

  /**
   * The position of a marker's second byte. Any number of 0xFF may stand before it (B.1.1.2). Other bytes should not; all
   * decoders pass over them.
   */
  #nextMarker(from: number): number | undefined {
    for (let at = from; ; at++) {
      while (at < this.#bytes.length && this.#bytes[at] !== 0xff) at++;
      const first = at;
      while (this.#bytes[at] === 0xff) at++;
      if (at >= this.#bytes.length) {
        return this.#isComplete()
          ? undefined
          : this.#refuse(from, 'expected an EOI marker at the end, got none (truncated JPEG)');
      }
      if (this.#bytes[at] === 0) continue;
      if (first > from) this.#warnings.add('bytes without a meaning stand between its segments');
      return at;
    }
  }

  /** Whether all scans have been that there are to be, so that a file may as well end. libjpeg then does not look further. */
  #isComplete(): boolean {
    const [first] = this.#scans;
    if (this.#frame === undefined || first === undefined || this.#frame.progressive) return false;
    if (first.components.length < this.#frame.components.length) return false;
    this.#warnings.add('it has no end (EOI)');
    return true;
  }

  #segmentEnd(start: number, marker: number): number | undefined {
    if (marker === SOI) this.#refuse(start - 2, `marker ${hex(marker)} at byte ${start - 2} cannot stand there`);
    const length = start + 2 <= this.#bytes.length ? this.#uint16(start) : Number.NaN;
    if (length < 2 && isMetadata(marker)) {
      this.#warnings.add(`segment ${hex(marker)} says it has ${length} bytes`);
      return start + 2;
    }
    if (length < 2) this.#refuse(start, `segment ${hex(marker)} at byte ${start - 2} says it has ${length} bytes`);
    if (!(start + length <= this.#bytes.length)) {
      if (isMetadata(marker) && this.#isComplete()) return undefined;
      this.#refuse(start, `segment ${hex(marker)} at byte ${start - 2} runs past the end of the file (truncated JPEG)`);
    }
    return start + length;
  }

  /** Checks a segment's content and says whether a decoder needs it. */
  #segment(marker: number, start: number, end: number): boolean {
    switch (marker) {
      case DQT:
        this.#quantisationTables(start, end);
        return true;
      case DHT:
        this.#huffmanTables(start, end);
        return true;
      case DRI:
        if (end - start !== 2) this.#refuse(start, `DRI: expected 2 bytes, got ${end - start}`);
        this.#interval = this.#uint16(start);
        return true;
      case SOF_BASELINE:
      case SOF_EXTENDED:
      case SOF_PROGRESSIVE:
        this.#readFrame(marker, start, end);
        return true;
      case SOS: // read already, to know where it ends
        return true;
      case APP0:
      case APP1:
      case APP14:
        // What comes after the first scan began is too late for libjpeg and for Pillow: the picture is on its way.
        if (this.#scans.length === 0) this.#application(marker, start, end);
        return false;
      case DNL: // repeats the height; where it alone has it, readFrame has refused the file
        return false;
      default:
        if (isMetadata(marker)) return false;
        if (UNSUPPORTED[marker] !== undefined) this.#unsupported(start - 4, UNSUPPORTED[marker]);
        return this.#refuse(start - 4, `marker ${hex(marker)} at byte ${start - 4} is reserved`);
    }
  }

  /** What the colours are, and which way up the picture is. */
  #application(marker: number, start: number, end: number): void {
    if (marker === APP0) {
      this.#jfif ||= this.#startsWith(start, end, 'JFIF\0');
    } else if (marker === APP14) {
      if (end - start >= 12 && this.#startsWith(start, end, 'Adobe')) this.#adobe = this.#bytes[start + 11];
    } else if (this.#exif === undefined && this.#startsWith(start, end, 'Exif\0\0')) {
      this.#exif = { start: start + 6, end };
    }
  }

  /** B.2.4.1. A zero wipes out a frequency; the standard has none, decoders take it. */
  #quantisationTables(start: number, end: number): void {
    for (let at = start; at < end; ) {
      const precision = this.#bytes[at] >> 4;
      const slot = this.#bytes[at] & 15;
      if (precision > 1 || slot > 3) {
        this.#refuse(at, `DQT: JPEG has no precision ${precision} or no slot ${slot}`);
      }
      const next = at + 1 + 64 * (precision + 1);
      if (next > end) this.#refuse(at, 'DQT: expected 64 values, the segment ends before');
      const values = Uint16Array.from({ length: 64 }, (_, i) =>
        precision === 0 ? this.#bytes[at + 1 + i] : this.#uint16(at + 1 + 2 * i),
      );
      if (values.includes(0)) this.#warnings.add('a quantisation table holds a zero');
      if (this.#scans.length > 0 && this.#quantisation.has(slot))
        this.#rare = 'a quantisation table replaced between scans';
      this.#quantisation.set(slot, values);
      at = next;
    }
  }

  /** B.2.4.2 and the code assignment of C.2. */
  #huffmanTables(start: number, end: number): void {
    for (let at = start; at < end; ) {
      const kind = this.#bytes[at] >> 4;
      const slot = this.#bytes[at] & 15;
      if (kind > 1 || slot > 3) this.#refuse(at, `DHT: JPEG has no class ${kind} or no slot ${slot}`);
      let symbols = 0;
      /** Codes of the current length that are not taken; every code leaves two of the next. */
      let free = 1;
      for (let length = 1; length <= 16; length++) {
        const count = at + length < end ? this.#bytes[at + length] : 0;
        symbols += count;
        free = free * 2 - count;
        if (free < 0) this.#refuse(at, `DHT: more codes of ${length} bits than there are`);
      }
      const next = at + 17 + symbols;
      if (symbols === 0 || symbols > 256 || next > end) {
        this.#refuse(at, `DHT: ${symbols} symbols do not fit into the segment`);
      }
      this.#huffman.set(this.#bytes[at], this.#bytes.subarray(at, next));
      at = next;
    }
  }

  /** B.2.2. */
  #readFrame(marker: number, start: number, end: number): void {
    if (this.#frame !== undefined) this.#refuse(start, `expected one frame (SOF), got another at byte ${start}`);
    const count = this.#bytes[start + 5];
    if (end - start < 6 || end - start !== 6 + 3 * count) {
      this.#refuse(start, `SOF: ${end - start} bytes do not fit its components`);
    }
    if (count !== 1 && count !== 3 && count !== 4) {
      this.#refuse(start, `SOF: expected 1, 3 or 4 components, got ${count}`);
    }
    const precision = this.#bytes[start];
    const height = this.#uint16(start + 1);
    const width = this.#uint16(start + 3);
    if (precision === 12 && marker !== SOF_BASELINE) this.#unsupported(start, 'a sample precision of 12 bits');
    if (precision !== 8) this.#refuse(start, `SOF: expected 8 bits a sample, got ${precision}`);
    if (height === 0 && width > 0) this.#unsupported(start, 'a height given after the picture (DNL)');
    if (width === 0) this.#refuse(start, `SOF: expected a width and height from 1, got ${width}×${height}`);
    checkPixelLimit(width, height, this.#file);

    const components: Component[] = [];
    for (let at = start + 6; at < end; at += 3) {
      const h = this.#bytes[at + 1] >> 4;
      const v = this.#bytes[at + 1] & 15;
      const quantisation = this.#bytes[at + 2];
      if (h < 1 || h > 4 || v < 1 || v > 4) {
        this.#refuse(at, `SOF: expected sampling factors from 1 to 4, got ${h}×${v}`);
      }
      if (quantisation > 3) this.#refuse(at, `SOF: expected a quantisation table from 0 to 3, got ${quantisation}`);
      const id = this.#bytes[at];
      if (components.some((other) => other.id === id)) {
        this.#refuse(at, `SOF: expected different components, got ${id} twice`);
      }
      components.push({ id, index: components.length, h, v, quantisation, begun: false });
    }
    const maxH = Math.max(...components.map(({ h }) => h));
    const maxV = Math.max(...components.map(({ v }) => v));
    if (components.some(({ h, v }) => maxH % h !== 0 || maxV % v !== 0)) {
      this.#unsupported(start, 'fractional sampling factors');
    }
    this.#frame = { progressive: marker === SOF_PROGRESSIVE, width, height, components, maxH, maxV };
  }

  /** B.2.3: a scan header from `start` to `end` and the entropy-coded data after it, whose end is returned. */
  #scan(start: number, end: number): number {
    const frame = this.#frame ?? this.#refuse(start, 'expected a frame (SOF) before the first scan, got none');
    if (this.#scans.length >= env.limits.jpegScans) {
      throw new MobileNetError(
        'LIMIT',
        `${this.#file}: more than env.limits.jpegScans (${env.limits.jpegScans}) scans; raise it to read the picture`,
        { file: this.#file, offset: start },
      );
    }
    const count = this.#bytes[start];
    if (count < 1 || count > frame.components.length || end - start !== 4 + 2 * count) {
      this.#refuse(
        start,
        `SOS: ${count} components in ${end - start} bytes do not fit the frame's ${frame.components.length}`,
      );
    }
    const [first, last, approximation] = this.#bytes.subarray(end - 3, end);
    const high = approximation >> 4;
    const low = approximation & 15;
    const { progressive } = frame;
    const bringsDc = !progressive || first === 0;
    if (progressive) {
      // G.1.1.1: DC alone, or a band of AC of one component; each pass refines by one bit.
      const band = first === 0 ? last === 0 : first <= last && last <= 63 && count === 1;
      if (!band || low > 13 || (high !== 0 && high !== low + 1)) {
        this.#refuse(
          start,
          `SOS: coefficients ${first} to ${last}, bits ${high} to ${low} of ${count} components are no pass`,
        );
      }
    }
    const scanned = this.#scanComponents(start + 1, count, frame, {
      dc: !progressive || (first === 0 && high === 0),
      ac: !progressive || first > 0,
    });
    const components = scanned.map(({ index }) => frame.components[index]);
    if (this.#scans.length === 0 && (progressive || count < frame.components.length)) {
      checkKept(frame, this.#file, start);
    }
    this.#visited += visitedBy(blocksOf(components, frame), progressive ? last - first + 1 : 64);
    checkVisited(this.#visited, this.#file, start);
    const entropy = this.#entropyData(end, mcusOf(components, frame));
    const dataEnd = entropy.end ?? this.#endOfFile(frame, count);
    if (!entropy.orderly) {
      this.#orderly = false;
      this.#warnings.add('restart markers are missing or out of order; pixels may be damaged');
    }
    if (bringsDc) this.#checkLength(dataEnd - end, blocksOf(components, frame) * (progressive ? 1 : 2), frame, end);
    if (bringsDc) for (const component of components) component.begun = true;
    const data = { start: end, end: dataEnd };
    this.#scans.push({ components: scanned, first, last, high, low, interval: this.#interval, data });
    return dataEnd;
  }

  /**
   * A block takes a bit for its DC and, where the same scan has it, one for its AC; only further AC scans can be shorter, by
   * runs of empty blocks. So a few bytes cannot declare a picture of a gigabyte. A small one may lack data.
   */
  #checkLength(length: number, leastBits: number, { width, height }: Frame, offset: number): void {
    if (length * 8 >= leastBits || width * height <= SMALL_PIXELS) return;
    const least = Math.ceil(leastBits / 8);
    this.#refuse(offset, `${width}×${height} pixels need at least ${least} bytes of data, the scan has ${length}`);
  }

  /** A file without EOI: libjpeg needs none once it has all pixels of a picture in one scan. */
  #endOfFile({ progressive, components }: Frame, count: number): number {
    const { length } = this.#bytes;
    const inOneScan = !progressive && this.#scans.length === 0 && count === components.length;
    if (!inOneScan) this.#refuse(length, 'expected an EOI marker after the last scan, got none (truncated JPEG)');
    this.#endless = true;
    this.#rare = 'a JPEG without an end (EOI)';
    this.#warnings.add('it has no end (EOI)');
    return length;
  }

  #scanComponents(start: number, count: number, frame: Frame, uses: { dc: boolean; ac: boolean }): ScanComponent[] {
    const scanned: ScanComponent[] = [];
    let blocks = 0;
    for (let at = start; at < start + 2 * count; at += 2) {
      const id = this.#bytes[at];
      const component =
        frame.components.find((other) => other.id === id) ??
        this.#refuse(at, `SOS: component ${id} is not in the frame`);
      const { index, h, v, quantisation } = component;
      if (scanned.some((other) => other.index === index)) this.#refuse(at, `SOS: component ${id} twice in a scan`);
      const [dc, ac] = [this.#bytes[at + 1] >> 4, this.#bytes[at + 1] & 15];
      const quantisers =
        this.#quantisation.get(quantisation) ??
        this.#refuse(at, `SOS: component ${id} needs quantisation table ${quantisation}, which the file lacks (DQT)`);
      scanned.push({
        index,
        quantisers,
        dc: uses.dc ? this.#huffmanTable(dc, frame, at) : undefined,
        ac: uses.ac ? this.#huffmanTable(16 | ac, frame, at) : undefined,
      });
      blocks += h * v;
    }
    if (count > 1 && blocks > 10) this.#refuse(start, 'SOS: expected at most 10 blocks in an MCU');
    return scanned;
  }

  /** As libjpeg-turbo (jstdhuff.c): of a sequential picture, a table that is not there is the standard's. */
  #huffmanTable(slot: number, { progressive }: Frame, at: number): Uint8Array {
    const known = this.#huffman.get(slot);
    const name = `Huffman table ${slot < 16 ? 'DC' : 'AC'} ${slot & 15}`;
    if (known !== undefined) {
      const isSound = slot >= 16 || known.subarray(17).every((size) => size < 16);
      return isSound ? known : this.#refuse(at, `SOS: ${name} has a symbol above 15`);
    }
    const standard = progressive ? undefined : standardTable(slot);
    if (standard === undefined) this.#refuse(at, `SOS: expected ${name}, which the file lacks (DHT)`);
    this.#huffman.set(slot, standard);
    this.#standard.add(slot);
    this.#warnings.add("it leaves out Huffman tables, as Motion JPEG does; the standard's are taken");
    return standard;
  }

  /**
   * Entropy-coded data: where the next marker stands that is neither a stuffed zero nor a restart (F.1.2.3, B.2.1), and
   * whether the restarts before it are those there should be, RST0 to RST7 in turn, one between two intervals. Looking for a
   * restart, libjpeg passes over markers that there are not.
   */
  #entropyData(from: number, mcus: number): { end: number | undefined; orderly: boolean } {
    const least = this.#interval === 0 ? 1 : SOF_BASELINE;
    const expected = this.#interval === 0 ? 0 : Math.ceil(mcus / this.#interval) - 1;
    let restarts = 0;
    let inTurn = true;
    let end: number | undefined;
    for (let at = this.#bytes.indexOf(0xff, from); at >= 0; at = this.#bytes.indexOf(0xff, at + 1)) {
      const next = this.#bytes[at + 1];
      if (isRestart(next)) {
        if (restarts < expected && (next & 7) !== (restarts & 7)) inTurn = false;
        restarts++;
      } else if (next !== undefined && next >= least && next !== 0xff) {
        end = at;
        break;
      }
    }
    // One more at the end of a scan disturbs nobody.
    return { end, orderly: inTurn && (restarts === expected || restarts === expected + 1) };
  }

  #finish(offset: number): JpegLayout {
    const frame = this.#frame ?? this.#refuse(offset, 'expected a frame (SOF), got none');
    this.#checkScans(frame, offset);
    return {
      width: frame.width,
      height: frame.height,
      colours: this.#colours(frame),
      frame,
      scans: this.#scans,
      essential: this.#essential,
      standardTables: [...this.#standard],
      orderly: this.#orderly,
      rare: this.#rare,
      endless: this.#endless,
      warnings: [...this.#warnings],
      ...(this.#exif === undefined ? {} : { exif: this.#exif }),
    };
  }

  /** A component that no scan begins with its DC is grey, where the picture is too small to be a trap. */
  #checkScans({ components, width, height }: Frame, offset: number): void {
    if (this.#scans.length === 0) this.#refuse(offset, 'expected a scan (SOS), got none');
    const missing = components.find(({ begun }) => !begun);
    if (missing === undefined) return;
    if (width * height > SMALL_PIXELS) {
      this.#refuse(offset, `expected a scan (SOS) of every component, got none of ${missing.id}`);
    }
    this.#rare = 'a JPEG that lacks scans';
    this.#warnings.add('it lacks scans of some components');
  }

  /** jdapimin.c, `default_decompress_parms`. */
  #colours({ components }: Frame): JpegColours {
    if (components.length === 1) return 'grey';
    if (components.length === 4) return this.#adobe === undefined || this.#adobe === 0 ? 'cmyk' : 'ycck';
    if (this.#jfif) return 'ycc';
    if (this.#adobe !== undefined) return this.#adobe === 0 ? 'rgb' : 'ycc';
    const ids = components.map(({ id }) => id);
    return String.fromCharCode(...ids) === 'RGB' ? 'rgb' : 'ycc';
  }

  #keep(start: number, end: number): void {
    const last = this.#essential.at(-1);
    if (last?.end === start) last.end = end;
    else this.#essential.push({ start, end });
  }

  #startsWith(start: number, end: number, text: string): boolean {
    return String.fromCharCode(...this.#bytes.subarray(start, Math.min(end, start + text.length))) === text;
  }

  #uint16(at: number): number {
    return (this.#bytes[at] << 8) | this.#bytes[at + 1];
  }

  #refuse(offset: number, message: string): never {
    return refuse(this.#file, offset, message);
  }

  #unsupported(offset: number, what: string): never {
    throw new MobileNetError(
      'UNSUPPORTED',
      `${this.#file}: ${what} is not supported; save the picture as baseline JPEG or PNG`,
      {
        file: this.#file,
        offset,
      },
    );
  }
}

/** Units that restart intervals count: MCUs, which are single blocks where a scan has one component. */
function mcusOf(components: readonly Component[], frame: Frame): number {
  if (components.length === 1) return blocksOf(components, frame);
  return Math.ceil(frame.width / (8 * frame.maxH)) * Math.ceil(frame.height / (8 * frame.maxV));
}

const isRestart = (marker: number | undefined): boolean => marker !== undefined && marker >= 0xd0 && marker <= 0xd7;

/** Segments that no decoder needs. */
const isMetadata = (marker: number): boolean => (marker >= APP0 && marker <= APP15) || marker === COM || marker === DNL;

const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`;

/** Adobe's transform byte for colours that decoders would otherwise have to guess. */
const ADOBE_TRANSFORM: Record<JpegColours, number | undefined> = { grey: undefined, rgb: 0, ycc: 1, cmyk: 0, ycck: 2 };

/**
 * The same picture without metadata: what a codec may see, so that none turns it by its EXIF block or applies a colour
 * profile, and all agree on its colours, which an Adobe segment of our own says.
 * @param transform that segment's transform byte, undefined for none
 * @throws MobileNetError UNSUPPORTED for what is too rare for other decoders, IMAGE for a file that may be cut
 */
export function essentialJpeg(
  bytes: Uint8Array,
  { essential, colours, standardTables: slots, rare, endless }: JpegLayout,
  file: string,
  transform = ADOBE_TRANSFORM[colours],
): Uint8Array<ArrayBuffer> {
  if (endless) refuse(file, bytes.length, 'expected an EOI marker at the end, got none (truncated JPEG)');
  if (rare !== undefined) {
    throw new MobileNetError('UNSUPPORTED', `${file}: ${rare} is not supported without WebAssembly`, { file });
  }
  const [first, ...rest] = essential.map(({ start, end }) => bytes.subarray(start, end));
  // What we add comes after SOI, which is the beginning of the first part.
  const adobe = transform === undefined ? new Uint8Array() : adobeSegment(transform);
  const end = Uint8Array.of(0xff, EOI); // once more does no harm
  return join([first.subarray(0, 2), adobe, standardTables(slots), first.subarray(2), ...rest, end]);
}

/** Adobe Technical Note 5116, section 18: length 14, 'Adobe', version 100, two words of flags, the transform. */
function adobeSegment(transform: number): Uint8Array {
  return Uint8Array.of(0xff, APP14, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, transform);
}
