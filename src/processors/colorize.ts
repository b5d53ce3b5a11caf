/** Maps of classes in colour: as a picture, over a picture, and with a legend. The same class has the same colour everywhere. */
import { expected, MobileNetError, show } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import { RawImage } from '../images/raw-image.js';
import { Tensor } from '../tensor/tensor.js';
import { layOver } from './heatmap.js';

/** [red, green, blue], 0 to 255. */
export type Color = readonly [red: number, green: number, blue: number];

/** Where classes are: a map [h,w] or [1,h,w] of their numbers, or what the segmentation pipeline gives for a picture. */
export type ClassMap = Tensor | readonly { readonly label: string; readonly mask: RawImage }[];

/** How classes are coloured and named. */
export interface ColorizeOptions {
  /** Colours to use instead, by class. Classes that it does not have keep theirs. */
  palette?: readonly Color[] | Readonly<Record<number, Color>>;
  /**
   * Names of the classes, `model.config.id2label`. Of a list of masks they also say which number a label has; without them
   * it is its place in the list, which differs from picture to picture.
   */
  labels?: readonly string[] | Readonly<Record<number, string>>;
  /** The class that has no colour; null for none. Default: the one that is called "background", and 0 of a map without names. */
  background?: number | null;
}

/** How colours lie over a picture. */
export interface OverlayOptions extends ColorizeOptions {
  /** 0 leaves the picture as it is, 1 covers it. Default 0.5. */
  alpha?: number;
}

/** A class that occurs. */
export interface LegendEntry {
  id: number;
  label: string;
  color: Color;
  /** Of all pixels, 0 to 1. */
  share: number;
}

/**
 * Colours of the classes 0 to 20, for Pascal VOC's: none darker than L* 50, each two at least 18.7 apart by CIEDE2000 (the
 * classes of VOC's own palette come as near as 6.6, and "cat" there is as dark as L* 11). Classes that are often seen
 * together lie farthest apart. Found by search; test/processors/colorize.test.ts measures it.
 */
const COLORS = [
  0xffa596, 0xa5783c, 0x78ffff, 0x788700, 0xc3b4ff, 0xb4c378, 0x00b4a5, 0xb45a87, 0xff00f0, 0xe13c00, 0x3cffb4,
  0x2d78d2, 0x87ff00, 0x875af0, 0x3c875a, 0xff2d5a, 0x00b400, 0xff870f, 0x00b4ff, 0xffa5d2, 0xffe100,
].map((rgb): Color => [rgb >> 16, (rgb >> 8) & 255, rgb & 255]);
const COLORIZE_OPTIONS = ['palette', 'labels', 'background'];
const BACKGROUND: Color = [0, 0, 0];

/** The colour of a class: of 21 and above mixtures of two, two parts to one; all different up to 440. */
export function classColor(id: number): Color {
  const first = COLORS[id % COLORS.length];
  const second = COLORS[(id + Math.floor(id / COLORS.length)) % COLORS.length];
  const mixed = (channel: 0 | 1 | 2): number => Math.round((2 * first[channel] + second[channel]) / 3);
  return [mixed(0), mixed(1), mixed(2)];
}

/**
 * A map of classes as a picture, RGBA: each class in its colour, the background black and transparent (`.rgb()` makes it
 * black).
 * @throws MobileNetError ARG for anything but a map of classes
 */
export function colorize(map: ClassMap, options: ColorizeOptions = {}): RawImage {
  checkOptions(options, COLORIZE_OPTIONS, 'colorize');
  return paint(readMap(map, options), 255);
}

/**
 * A picture with the classes over it in colour, RGB; what is background stays as it is.
 * @throws MobileNetError ARG for a map of another size than the picture's
 */
export function overlay(image: RawImage, map: ClassMap, options: OverlayOptions = {}): RawImage {
  checkOptions(options, [...COLORIZE_OPTIONS, 'alpha'], 'overlay');
  const { alpha = 0.5 } = options;
  if (!(typeof alpha === 'number' && alpha >= 0 && alpha <= 1)) {
    throw expected('alpha', 'a number from 0 to 1', alpha);
  }
  return layOver(image, paint(readMap(map, options), Math.round(alpha * 255)));
}

/** The classes that occur in a map, the largest first, with their names and colours. */
export function legend(map: ClassMap, options: ColorizeOptions = {}): LegendEntry[] {
  checkOptions(options, COLORIZE_OPTIONS, 'legend');
  const { ids, label, color } = readMap(map, options);
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  counts.delete(NOTHING);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([id, count]) => ({ id, label: label(id), color: color(id), share: count / ids.length }));
}

interface Classes {
  /** Of every pixel. */
  ids: Int32Array;
  width: number;
  height: number;
  /** The class without a colour. */
  background: number | null;
  label(id: number): string;
  color(id: number): Color;
}

/** Where no mask lies, and of a pixel that is not certain enough of any class. */
const NOTHING = -1;

function readMap(map: ClassMap, { palette = {}, labels, background }: ColorizeOptions): Classes {
  const names = new Map(Object.entries(labels ?? {}).map(([id, label]) => [Number(id), label]));
  const read = map instanceof Tensor ? readTensor(map) : readMasks(map, names);
  const idOf = (name: string) => [...names].find(([, label]) => label === name)?.[0];
  const none = background !== undefined ? background : names.size > 0 ? (idOf('background') ?? null) : 0;
  const colors = palette as Readonly<Record<number, Color>>;
  return {
    ...read,
    background: none,
    label: (id) => names.get(id) ?? `LABEL_${id}`,
    color: (id) => colors[id] ?? (id === none ? BACKGROUND : classColor(id)),
  };
}

function readTensor(map: Tensor): Pick<Classes, 'ids' | 'width' | 'height'> {
  const [height, width, ...more] = map.dims.length === 3 && map.dims[0] === 1 ? map.dims.slice(1) : map.dims;
  const ids = map.to('int32').data;
  if (!(width * height > 0) || more.length > 0 || map.type.startsWith('float') || ids.some((id) => id < NOTHING)) {
    throw new MobileNetError(
      'ARG',
      `map: expected classes as an integer tensor [h,w], got ${map.type} ${show(map.dims)}; logits become one with post_process_semantic_segmentation`,
    );
  }
  return { ids, width, height };
}

/** Puts names that are not known yet into `names`. */
function readMasks(masks: unknown, names: Map<number, string>): Pick<Classes, 'ids' | 'width' | 'height'> {
  const list = (Array.isArray(masks) ? masks : []) as { label: string; mask: RawImage }[];
  const { width, height } = list[0]?.mask ?? {};
  const ids = new Int32Array(width * height || 0).fill(NOTHING);
  const known = names.size > 0;
  for (const [place, item] of list.entries()) {
    const { label, mask } = item ?? {};
    const found = known ? [...names].find(([, name]) => name === label)?.[0] : place;
    const fits = mask instanceof RawImage && mask.channels === 1 && mask.width === width && mask.height === height;
    if (!fits || found === undefined) {
      const what = fits
        ? `a label of id2label, got ${show(label)}`
        : `a mask of ${width}×${height} pixels and 1 channel`;
      throw new MobileNetError('ARG', `masks[${place}]: expected ${what}`);
    }
    names.set(found, label);
    for (let i = 0; i < ids.length; i++) if (mask.data[i] >= 128) ids[i] = found;
  }
  if (ids.length > 0) return { ids, width, height };
  throw expected('map', 'a Tensor of classes or a list of { label, mask }', masks);
}

function paint({ ids, width, height, background, color }: Classes, alpha: number): RawImage {
  const out = new Uint8Array(ids.length * 4);
  let last = NOTHING;
  let own = BACKGROUND;
  for (let i = 0, to = 0; i < ids.length; i++, to += 4) {
    const id = ids[i];
    if (id === background || id === NOTHING) continue;
    if (id !== last) own = color(id); // neighbours are mostly of one class
    last = id;
    out[to] = own[0];
    out[to + 1] = own[1];
    out[to + 2] = own[2];
    out[to + 3] = alpha;
  }
  return new RawImage(out, width, height, 4);
}
