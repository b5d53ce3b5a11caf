/**
 * From files to bytes of pixels, each file once where memory is enough. A picture that is trained with is kept as small as its
 * crops allow; one that is evaluated with is kept as the processor cuts it.
 */
import { MobileNetError } from '../../base/errors.js';
import type { Pixels } from '../../base/pixels.js';
import { decodeImage } from '../../images/decode.js';
import { RawImage } from '../../images/raw-image.js';
import { Resampling } from '../../images/resize/filters.js';
import { resize } from '../../images/resize/resize.js';
import type { MobileNetV2ImageProcessor } from '../../processors/image-processor.js';
import type { Augmentation } from './augment.js';
import type { Entry } from './layout.js';

/** As in Pascal VOC: a pixel without a class. */
const NO_CLASS = 255;

/** Pixels of a picture, and of its mask. */
export interface Kept {
  image: Pixels;
  mask?: Pixels | undefined;
}

type Size = Pick<Pixels, 'width' | 'height'>;

export interface ReaderSettings {
  processor: MobileNetV2ImageProcessor;
  augmentation: Augmentation | null;
  memoryBytes: number;
}

export class PictureReader {
  readonly #settings: ReaderSettings;
  readonly labels: readonly string[] | undefined;
  /** Height and width of pictures as the network gets them. */
  readonly height: number;
  readonly width: number;
  /** Classes of masks: one more than the largest number seen. */
  classes = 0;
  /** Of pictures to be cropped at random, and of those as they are evaluated. */
  readonly #sources = new Map<Entry, Kept>();
  readonly #evaluated = new Map<Entry, Kept>();
  #bytes = 0;

  /** @throws MobileNetError ARG where pictures would come out at different sizes */
  constructor(settings: ReaderSettings, labels: readonly string[] | undefined) {
    this.#settings = settings;
    this.labels = labels;
    ({ height: this.height, width: this.width } = outputSize(settings.processor));
  }

  get processor(): MobileNetV2ImageProcessor {
    return this.#settings.processor;
  }

  /** Reads a picture for the first time. @returns its pixels, perhaps smaller than the file's */
  async open(entry: Entry): Promise<Pixels> {
    const { augmentation } = this.#settings;
    const kept = await this.#read(entry, augmentation);
    if (augmentation !== null) this.#keep(this.#sources, entry, kept);
    else this.#keep(this.#evaluated, entry, this.#cut(kept));
    return kept.image;
  }

  /** A picture to be cropped at random. */
  async source(entry: Entry): Promise<Kept> {
    const known = this.#sources.get(entry);
    if (known !== undefined) return known;
    const kept = await this.#read(entry, this.#settings.augmentation);
    this.#keep(this.#sources, entry, kept);
    return kept;
  }

  /** A picture as it is evaluated: what the processor makes of the file, before it is normalized. */
  async evaluated(entry: Entry): Promise<Kept> {
    const known = this.#evaluated.get(entry);
    if (known !== undefined) return known;
    const kept = this.#cut(await this.#read(entry, null));
    this.#forget(entry);
    this.#keep(this.#evaluated, entry, kept);
    return kept;
  }

  /** The file's own pixels. */
  async original({ picture }: Entry): Promise<Pixels> {
    return decodeImage(await picture.read(), { file: picture.path });
  }

  /** [3,height,width] of pixels of that size. */
  async normalize(image: Pixels): Promise<Float32Array> {
    const { pixel_values } = await this.processor(image, { do_resize: false, do_center_crop: false });
    return pixel_values.data;
  }

  /** @param augmentation what crops there will be, so that the picture may be made smaller; null leaves it */
  async #read(entry: Entry, augmentation: Augmentation | null): Promise<Kept> {
    const { picture } = entry;
    const least = (size: Size) => (augmentation === null ? size : leastSize(size, augmentation, this));
    const file = picture.path;
    const image = await decodeImage(await picture.read(), { file, draft: augmentation === null ? undefined : least });
    const mask = entry.mask && (await this.#readMask(entry, image));
    const { width, height } = least(image);
    if (width === image.width && height === image.height) return { image, mask };
    return {
      image: resize(image, width, height),
      mask: mask && resize(mask, width, height, Resampling.nearest),
    };
  }

  async #readMask({ mask, picture }: Entry, { width, height }: Size): Promise<Pixels> {
    const { path: file } = mask!;
    const read = await decodeImage(await mask!.read(), { file, indices: true });
    // A JPEG may have been decoded at a part of its size, rounded up.
    const scale = [1, 2, 4, 8].find(
      (by) => Math.ceil(read.width / by) === width && Math.ceil(read.height / by) === height,
    );
    if (scale === undefined) {
      const message = `${file}: expected the ${width}×${height} pixels of ${picture.path}, got ${read.width}×${read.height}`;
      throw new MobileNetError('SHAPE', message, { file });
    }
    if (read.channels !== 1) {
      const message = `${file}: expected the number of a class in every pixel (grey, or a palette), got colors; save it as PNG with one channel`;
      throw new MobileNetError('IMAGE', message, { file });
    }
    const classes = this.#countClasses(read, file);
    return scale === 1 ? classes : resize(classes, width, height, Resampling.nearest);
  }

  #countClasses(mask: Pixels, file: string): Pixels {
    const data = new Uint8Array(mask.data);
    const reduced = this.processor.do_reduce_labels;
    const most = this.labels?.length ?? NO_CLASS;
    for (let i = 0; i < data.length; i++) {
      if (reduced) data[i] = data[i] === 0 || data[i] === NO_CLASS ? NO_CLASS : data[i]! - 1;
      if (data[i] === NO_CLASS) continue;
      if (data[i]! >= most) {
        const message = `${file}: expected numbers of classes below ${most}, and ${NO_CLASS} for none, got ${data[i]}`;
        throw new MobileNetError('IMAGE', message, { file });
      }
      if (data[i]! >= this.classes) this.classes = data[i]! + 1;
    }
    return { ...mask, data };
  }

  /** The part that the processor keeps. */
  #cut({ image, mask }: Kept): Kept {
    const { resized, window, at } = this.processor.geometry(image.height, image.width);
    const { resample, do_resize } = this.processor;
    const filter = do_resize ? (resample ?? Resampling.bilinear) : Resampling.nearest;
    const cut = (pixels: Pixels, how: typeof filter, around: number) =>
      place(resize(pixels, resized.width, resized.height, how, window), at, this, around);
    return { image: cut(image, filter, 0), mask: mask && cut(mask, Resampling.nearest, NO_CLASS) };
  }

  #keep(map: Map<Entry, Kept>, entry: Entry, kept: Kept): void {
    const bytes = bytesOf(kept);
    if (this.#bytes + bytes > this.#settings.memoryBytes) return;
    this.#bytes += bytes;
    map.set(entry, kept);
  }

  /** A picture that is evaluated is seldom trained with too. */
  #forget(entry: Entry): void {
    const kept = this.#sources.get(entry);
    if (kept === undefined) return;
    this.#bytes -= bytesOf(kept);
    this.#sources.delete(entry);
  }
}

const bytesOf = ({ image, mask }: Kept): number => image.data.length + (mask?.data.length ?? 0);

/** Pixels in the middle of a picture of a given size, where the crop is larger than what was resized. */
function place(part: Pixels, at: { top: number; left: number }, { width, height }: Size, around: number): Pixels {
  if (part.width === width && part.height === height) return part;
  const { channels } = part;
  const data = new Uint8Array(width * height * channels).fill(around);
  for (let y = 0; y < part.height; y++) {
    const row = part.data.subarray(y * part.width * channels, (y + 1) * part.width * channels);
    data.set(row, ((at.top + y) * width + at.left) * channels);
  }
  return { data, width, height, channels };
}

function outputSize({ do_center_crop, crop_size, size, do_resize }: MobileNetV2ImageProcessor): Size {
  if (do_center_crop && crop_size !== null) return crop_size;
  if (do_resize && size !== null && 'height' in size) return size;
  throw new MobileNetError(
    'ARG',
    'processor: pictures would come out at different sizes; set do_center_crop, or size to height and width',
  );
}

/** The least size at which the smallest crop of a picture still has as many pixels as the network gets, along both sides. */
export function leastSize<T extends Size>(size: T, { scale, ratio }: Augmentation, { width, height }: Size): Size {
  const area = Math.max(width ** 2 / ratio[0], height ** 2 * ratio[1]) / scale[0];
  const factor = Math.sqrt(area / (size.width * size.height));
  if (factor >= 1) return size;
  return { width: Math.ceil(size.width * factor), height: Math.ceil(size.height * factor) };
}

/** A picture for people: the longest side is `most` at most. */
export function thumbnail(image: Pixels, most: number): RawImage {
  const scale = Math.min(1, most / Math.max(image.width, image.height));
  const side = (length: number) => Math.max(1, Math.round(length * scale));
  const { data, width, height, channels } = resize(image, side(image.width), side(image.height));
  return new RawImage(data, width, height, channels as 1 | 3 | 4);
}
