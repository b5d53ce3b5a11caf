/**
 * timm's `mobilenetv2_035` to `mobilenetv2_140`: `blocks.S.R` is repetition R of row S of the paper's table. The variants
 * with `d` in their name repeat more often than the paper, so that blocks are left over: Hugging Face's
 * MobileNetV2 does not have them. A folder of the hub brings its own config.json, whose `pretrained_cfg` says how pictures are prepared.
 *
 * Source: timm 1.0, models/efficientnet.py (`_gen_mobilenet_v2`) and data/transforms_factory.py.
 */
import { MobileNetError } from '../base/errors.js';
import { isJsonObject, type JsonObject, type JsonValue, jsonText, showJson } from '../base/json.js';
import type { StoredTensor } from '../formats/stored.js';
import type { Mapping, Preprocessor } from './mapping.js';
import { type Layer, mapTorch, REPEATS } from './torch.js';

const LAYERS: readonly Layer[] = [
  ['conv_stem', 'bn1', 'conv_stem.first_conv'],
  ['blocks.0.0.conv_dw', 'blocks.0.0.bn1', 'conv_stem.conv_3x3'],
  ['blocks.0.0.conv_pw', 'blocks.0.0.bn2', 'conv_stem.reduce_1x1'],
  ...REPEATS.flatMap((repeats, row) => Array.from({ length: repeats }, (_, i) => `blocks.${row}.${i}`))
    .slice(1)
    .flatMap((block, index): Layer[] => [
      [`${block}.conv_pw`, `${block}.bn1`, `layer.${index}.expand_1x1`],
      [`${block}.conv_dw`, `${block}.bn2`, `layer.${index}.conv_3x3`],
      [`${block}.conv_pwl`, `${block}.bn3`, `layer.${index}.reduce_1x1`],
    ]),
  ['conv_head', 'bn2', 'conv_1x1'],
];

/** The first depthwise filter, and what training puts before every name. */
export const TIMM_FIRST = /^((?:.*\.)?)blocks\.0\.0\.conv_dw\.weight$/;

/** @param config timm's config.json, where there is one */
export function mapTimm(
  tensors: ReadonlyMap<string, StoredTensor>,
  config: JsonObject | undefined,
  file: string,
  how: { head: boolean },
): Mapping {
  const mapping = mapTorch(tensors, LAYERS, how);
  const cfg = config?.pretrained_cfg ?? config;
  const given = isJsonObject(cfg) ? cfg : undefined;
  const names = config?.label_names ?? given?.label_names;
  if (Array.isArray(names)) mapping.config.id2label = Object.fromEntries(names.map(String).entries());
  const preprocessor = picturesOf(given, mapping.preprocessor, file);
  const { height } = preprocessor.crop_size;
  if (given === undefined) {
    mapping.notes.push(
      'timm: no config.json, so pictures are prepared as mobilenetv2_100 is: bicubic, crop 0.875, ImageNet',
    );
  }
  return { ...mapping, preprocessor, config: { ...mapping.config, image_size: height } };
}

/** timm resizes the shortest edge to ⌊size / crop_pct⌋ and keeps the middle. */
function picturesOf(cfg: JsonObject | undefined, preset: Preprocessor, file: string): Preprocessor {
  const field = <T>(name: string, is: (value: JsonValue) => boolean, otherwise: T): T => {
    const value = cfg?.[name];
    if (value === undefined || value === null) return otherwise;
    if (is(value)) return value as T;
    throw new MobileNetError('CONFIG', `${name}: cannot be ${showJson(value)} in ${file}`, { file, tensor: name });
  };
  const positive = (value: JsonValue) => typeof value === 'number' && value > 0 && value < 65_536;
  const three = (value: JsonValue) => Array.isArray(value) && value.length === 3 && value.every(positive);
  const [, height, width] = field('input_size', three, [3, 224, 224]);
  const filters: Record<string, number> = { nearest: 0, bilinear: 2, bicubic: 3, random: 2 };
  const interpolation = field('interpolation', (value) => Object.hasOwn(filters, jsonText(value)), 'bicubic');
  const mode = field('crop_mode', (value) => value === 'center' || value === 'squash', 'center');
  const ratio = field('crop_pct', positive, 0.875);
  const scaled = { height: Math.floor(height / ratio), width: Math.floor(width / ratio) };
  // timm keeps the proportions of a picture for an oblong crop too, which Hugging Face's processor cannot say.
  const square = mode === 'center' && height === width;
  return {
    ...preset,
    size: square ? { shortest_edge: scaled.height } : scaled,
    resample: filters[interpolation],
    crop_size: { height, width },
    image_mean: field('mean', (value) => Array.isArray(value), preset.image_mean),
    image_std: field('std', three, preset.image_std),
  };
}
