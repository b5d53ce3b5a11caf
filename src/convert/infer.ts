/** The depth multiplier of a network, from the channels that its weights have. */

import { MobileNetError, show } from '../base/errors.js';
import { parametersOf } from '../graph/nodes.js';
import { baseGraph } from '../models/mobilenet-v2/architecture.js';
import { MobileNetV2Config, type MobileNetV2ConfigOptions } from '../models/mobilenet-v2/config.js';
import type { WeightSource } from '../models/mobilenet-v2/weights.js';
import { PREFIX } from '../models/mobilenet-v2/weights.js';

/** Those of published checkpoints come first, so that one of several that fit is the one meant. */
const PUBLISHED = [1.0, 1.4, 1.3, 0.75, 0.5, 0.35, 0.25, 0.1, 1.2, 1.1, 2.0];
/** Then every twentieth, then every hundredth. */
const OTHERS = [20, 100].flatMap((parts) => Array.from({ length: 4 * parts }, (_, i) => (i + 1) / parts));

const OUT = '.convolution.weight';

export interface Width {
  depth_multiplier: number;
  /** To what channels are rounded: 8, but DeepLab at half the width was trained with 4. */
  depth_divisible_by: number;
  /** False: a network narrower than 1 whose last convolution is narrower than 1280 too. */
  finegrained_output: boolean;
}

/**
 * Finds the multiplier under which every convolution has the channels that it has.
 * @throws MobileNetError SHAPE when there is none; WEIGHTS when a convolution is missing
 */
export function inferWidth(
  weights: ReadonlyMap<string, WeightSource>,
  options: MobileNetV2ConfigOptions,
  file: string,
): Width {
  const found = new Map<string, number>();
  for (const [name, { dims }] of weights) {
    if (name.startsWith(PREFIX) && name.endsWith(OUT)) found.set(name.slice(PREFIX.length), dims[0]);
  }
  for (const width of widths()) {
    if (isNear(found, width) && fits(found, new MobileNetV2Config({ ...options, ...width }))) return width;
  }
  const channels = [...found]
    .filter(([name]) => /first_conv|reduce_1x1|^conv_1x1/.test(name))
    .map(([, count]) => count);
  throw new MobileNetError(
    'SHAPE',
    `${file}: no depth multiplier gives these channels: ${show(channels, 120)}; expected those of the paper's table, scaled`,
    { file },
  );
}

function* widths(): Generator<Width> {
  for (const multipliers of [PUBLISHED, OTHERS]) {
    for (const depth_divisible_by of [8, 4]) {
      for (const depth_multiplier of multipliers) {
        const width = { depth_multiplier, depth_divisible_by };
        yield { ...width, finegrained_output: true };
        if (depth_multiplier < 1) yield { ...width, finegrained_output: false };
      }
    }
  }
}

/** Layers whose channels the table has as they are. */
const SCALED = [
  ['conv_stem.first_conv', 32],
  ['layer.15.reduce_1x1', 320],
] as const;

/** Rounding takes a tenth at most and adds less than the divisor. To build all networks that are further away takes seconds. */
function isNear(found: ReadonlyMap<string, number>, { depth_multiplier, depth_divisible_by }: Width): boolean {
  return SCALED.every(([layer, channels]) => {
    const count = found.get(`${layer}${OUT}`);
    const scaled = channels * depth_multiplier;
    return count === undefined || (count >= 0.9 * scaled - 1 && count <= Math.max(LEAST, scaled + depth_divisible_by));
  });
}

/** `min_depth`, which no source says. */
const LEAST = 8;

/** What is missing is for a later check to name; what is there has to fit. */
function fits(found: ReadonlyMap<string, number>, config: MobileNetV2Config): boolean {
  return parametersOf(baseGraph(config, null).nodes).every(({ name, dims }) => {
    const channels = found.get(name);
    return channels === undefined || channels === dims[0];
  });
}
