/**
 * What the layers before a Keras network do to the size of pictures. A picture is first brought to the size of the input;
 * then come the layers Resizing, CenterCrop and RandomCrop, and `tf.image.resize`. The image processor knows one resize and
 * one crop of the middle after it, and most of what people build comes to that.
 *
 * Sources: Keras 3.15, layers/preprocessing/image_preprocessing; tf_keras 2.21, utils/image_utils.py (`smart_resize`).
 */
export type Size = [height: number, width: number];

/** Pillow's numbers of the filters that both have. */
const FILTERS: Record<string, number> = { nearest: 0, lanczos3: 1, bilinear: 2, bicubic: 3, area: 4 };

export class PictureSize {
  /** To what pictures are resized; undefined where nothing has been said. */
  resize: Size | { shortest_edge: number } | undefined;
  /** The middle that is kept. */
  crop: Size | undefined;
  /** Pillow's number of the filter. */
  resample = 2;
  /** Whether a layer of the graph resizes, and not the caller of the model. */
  byLayer = false;

  /** What enters the network. */
  get size(): Size | undefined {
    return this.crop ?? (Array.isArray(this.resize) ? this.resize : undefined);
  }

  /** The size of an input; that of a model in a model is known before. */
  input(size: Size): void {
    if (this.size === undefined) this.resize = size;
  }

  /** @returns what is wrong with it */
  resizeTo(size: Size, { filter = 'bilinear', keepsRatio = false }): string | undefined {
    if (this.crop !== undefined) return 'resizes what was cropped before';
    const resample = new Map(Object.entries(FILTERS)).get(filter.toLowerCase());
    if (resample === undefined) return `resizes by ${filter}, which the image processor does not know`;
    this.resample = resample;
    this.byLayer = true;
    if (keepsRatio) return this.cover(size);
    this.resize = size;
    return undefined;
  }

  /** Keras's smart_resize: the largest middle of this ratio, resized. Here it is resized first and cropped then. */
  cover([height, width]: Size): string | undefined {
    if (this.crop !== undefined) return 'crops what was cropped before';
    this.byLayer = true;
    if (Array.isArray(this.resize)) {
      const [before, beside] = this.resize;
      const scale = Math.max(height / before, width / beside);
      this.resize = [Math.round(before * scale), Math.round(beside * scale)];
      if (this.resize[0] !== height || this.resize[1] !== width) this.crop = [height, width];
    } else if (height === width) {
      this.resize = { shortest_edge: height };
      this.crop = [height, width];
    } else return 'crops pictures of any size to one that is not square';
    return undefined;
  }

  /** The middle of a picture; one that is too small is resized so that it covers it. */
  cropTo(size: Size): string | undefined {
    const before = this.resize;
    if (before === undefined) return 'crops pictures of any size; build the model with an input of a size';
    if (!Array.isArray(before) || this.crop !== undefined) return 'crops what was cropped before';
    if (before[0] < size[0] || before[1] < size[1]) return this.cover(size);
    if (before[0] !== size[0] || before[1] !== size[1]) this.crop = size;
    return undefined;
  }
}
