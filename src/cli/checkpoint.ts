/** What commands need to know of a checkpoint beyond what a pipeline does. */
import {
  type FromPretrainedOptions,
  type MobileNetV2Config,
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2Model,
} from '../entries/main-node.js';
import { UsageError } from './errors.js';
import type { CommonFlags } from './options.js';

const ARCHITECTURES = { MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation, MobileNetV2Model };

export type Architecture = keyof typeof ARCHITECTURES;

/** The class a config.json says it is for; a classifier where it says nothing we know. */
export function architectureOf(config: MobileNetV2Config): Architecture {
  const { architectures } = config.extra;
  const name = Array.isArray(architectures) ? architectures[0] : undefined;
  return Object.hasOwn(ARCHITECTURES, name) ? name : 'MobileNetV2ForImageClassification';
}

/** The class of that name; the three differ in what they return, which no command that uses this asks for. */
export const modelClass = (name: Architecture): typeof MobileNetV2Model =>
  ARCHITECTURES[name] as unknown as typeof MobileNetV2Model;

/** [height, width] that a checkpoint was made for. */
export function imageSize({ image_size }: MobileNetV2Config): [height: number, width: number] {
  return Array.isArray(image_size) ? image_size : [image_size, image_size];
}

/** A folder may be named as the argument or as --model; undefined is the checkpoint that ships. */
export function folderOf(dir: string | undefined, { model }: { model?: string }): string | undefined {
  if (dir !== undefined && model !== undefined)
    throw new UsageError('name the model once, as an argument or by --model');
  return dir ?? model;
}

/** How the flags want a model loaded and computed. */
export function loadOptions({ device, threads, memory, strict, allowNonfinite }: CommonFlags): FromPretrainedOptions {
  const checks = { ...(strict === false && { strict }), ...(allowNonfinite && { allowNonfinite: true }) };
  return { device, threads, memory, ...checks };
}
