/** Pictures of a folder, one after the other as a trainer asks for them. */
import { expected } from '../../base/errors.js';
import { mapped } from '../../base/mapped.js';
import type { Pixels } from '../../base/pixels.js';
import { RawImage } from '../../images/raw-image.js';
import { Resampling } from '../../images/resize/filters.js';
import type { TrainingDataset, TrainingItem } from '../dataset.js';
import type { Random } from '../random.js';
import { type Augmentation, applyChange, drawChange } from './augment.js';
import type { Entry } from './layout.js';
import { type Kept, type PictureReader, thumbnail } from './reader.js';

/** What a dataset is made of. */
export interface Part {
  entries: readonly Entry[];
  reader: PictureReader;
  id2label: Readonly<Record<number, string>>;
  augmentation: Augmentation | null;
}

/** The pictures of one part of a folder, as a trainer asks for them. */
export class ImageDataset implements TrainingDataset {
  readonly #part: Part;
  readonly id2label: Readonly<Record<number, string>>;
  readonly dims: readonly [channels: number, height: number, width: number];
  readonly targets: Int32Array | undefined;

  constructor(part: Part) {
    const { entries, reader, id2label } = part;
    this.#part = part;
    this.id2label = id2label;
    this.dims = [3, reader.height, reader.width];
    const ids = new Map(Object.entries(id2label).map(([id, label]) => [label, Number(id)]));
    const masks = entries.some(({ mask }) => mask !== undefined);
    this.targets = masks ? undefined : mapped(new Int32Array(entries.length), entries, ({ label }) => ids.get(label)!);
  }

  /** Pictures. */
  get length(): number {
    return this.#part.entries.length;
  }

  /** Where a picture lies, below the folder. */
  file(index: number): string {
    return this.#entry(index).picture.path;
  }

  /** A picture for people, its longest side `most` pixels at most. */
  async picture(index: number, most = 256): Promise<RawImage> {
    return thumbnail(await this.#part.reader.original(this.#entry(index)), most);
  }

  /** A picture as the network sees it when it is evaluated, before it is normalized. */
  async seen(index: number): Promise<RawImage> {
    const { image } = await this.#part.reader.evaluated(this.#entry(index));
    return new RawImage(image.data, image.width, image.height, image.channels as 1 | 3);
  }

  async item(index: number, random: Random | null): Promise<TrainingItem> {
    const entry = this.#entry(index);
    const { reader, augmentation } = this.#part;
    const { image, mask } =
      random === null || augmentation === null
        ? await reader.evaluated(entry)
        : change(await reader.source(entry), augmentation, random, reader);
    return {
      pixel_values: await reader.normalize(image),
      label: mask === undefined ? this.targets![index]! : new Int32Array(mask.data),
    };
  }

  #entry(index: number): Entry {
    const entry = this.#part.entries[index];
    if (entry === undefined) throw expected('index', `a whole number below ${this.length}`, index);
    return entry;
  }
}

function change(
  { image, mask }: Kept,
  augmentation: Augmentation,
  random: Random,
  { width, height }: Pick<Pixels, 'width' | 'height'>,
): Kept {
  const drawn = drawChange(augmentation, image, random);
  return {
    image: applyChange(image, drawn, width, height),
    mask: mask && applyChange(mask, { ...drawn, colors: [] }, width, height, Resampling.nearest),
  };
}
