/**
 * The pictures that a page has given, as files: a frame of a camera is packed as PNG, which loses nothing, so that it takes
 * a third of the memory and lies where the browser keeps files. A thousand pictures are no more than the pixels that
 * `ImageFolder` may keep.
 */
import { isBlob } from '../../base/brands.js';
import { MobileNetError } from '../../base/errors.js';
import { RawImage } from '../../images/raw-image.js';
import type { MobileNetV2ImageProcessor } from '../../processors/image-processor.js';
import { ImageFolder, type ImageFolderOptions } from '../data/image-folder.js';
import type { TrainingDataset } from '../dataset.js';
import type { PagePicture } from './protocol.js';

const MEMORY_BYTES = 256 * 1024 * 1024;
const KNOWN = /\.(png|jpe?g|webp|gif|avif|bmp)$/i;

export class PagePictures {
  readonly #files: { label: string; name: string; file: Blob; recording: string | undefined }[] = [];

  get length(): number {
    return this.#files.length;
  }

  async add(label: string, picture: PagePicture, name?: string, recording?: string): Promise<number> {
    const own = isBlob(picture) ? picture : await (await RawImage.read(picture)).rgb().toBlob();
    if (typeof ImageBitmap !== 'undefined' && picture instanceof ImageBitmap) picture.close();
    const called = (name ?? (picture as Partial<File>).name ?? '').replaceAll(/[/\\]/g, '_').replace(/^\.+/, '');
    this.#files.push({ label, name: KNOWN.test(called) ? called : `${called || 'picture'}.png`, file: own, recording });
    return this.#files.length;
  }

  clear(): void {
    this.#files.length = 0;
  }

  /** Names of the classes in the order of their letters, however pictures came. @throws MobileNetError ARG for fewer than two */
  labels(): string[] {
    const labels = [...new Set(this.#files.map(({ label }) => label))].sort((a, b) => (a < b ? -1 : 1));
    if (labels.length > 1) return labels;
    throw new MobileNetError('ARG', `train: expected pictures of two classes or more, got ${labels.length}; add some`);
  }

  /** Decodes them. Folders have the numbers of the classes, as a name may be any text. */
  async open(
    processor: MobileNetV2ImageProcessor,
    options: Pick<
      ImageFolderOptions,
      'augmentation' | 'testShare' | 'memoryBytes' | 'signal' | 'progress_callback' | 'seed'
    >,
  ): Promise<ImageFolder> {
    const labels = this.labels();
    const files = this.#files.map(({ label, name, file }, i) => {
      const folder = String(labels.indexOf(label)).padStart(6, '0');
      return [`${folder}/${String(i).padStart(6, '0')} ${name}`, file] as const;
    });
    const recordings = new Map<string, string | undefined>(files.map(([path], i) => [path, this.#files[i]!.recording]));
    const partOf = (path: string) => recordings.get(path);
    return ImageFolder.open(files, { memoryBytes: MEMORY_BYTES, ...options, processor, partOf });
  }
}

/** A dataset with the names that classes have in the page. @param onItem told of each picture that is asked for */
export function named(dataset: TrainingDataset, labels: readonly string[], onItem: () => void): TrainingDataset {
  const { length, dims, targets } = dataset;
  return {
    ...{ length, dims },
    ...(targets && { targets }),
    id2label: Object.fromEntries(labels.map((label, i) => [i, label])),
    item(index, random) {
      onItem();
      return dataset.item(index, random);
    },
  };
}
