/** The files of a checkpoint: what `save_pretrained` and the converters write and Python's transformers reads. */
import { listNames, MobileNetError } from '../../base/errors.js';
import { writeSafetensors } from '../../formats/safetensors.js';
import type { Graph } from '../../graph/nodes.js';
import { baseGraph, classificationGraph, segmentationGraph } from './architecture.js';
import { MobileNetV2Config } from './config.js';
import type { State } from './weights.js';

/** Element type of a file; models compute in float32 whatever it is. */
export type CheckpointDtype = 'float32' | 'float16' | 'bfloat16';

/** The classes a checkpoint may be of, by their names in config.json, and their layers. */
export const GRAPHS = {
  MobileNetV2ForImageClassification: (config) => classificationGraph(config, 'global'),
  MobileNetV2ForSemanticSegmentation: segmentationGraph,
  MobileNetV2Model: (config) => baseGraph(config, 'global'),
} satisfies Record<string, (config: MobileNetV2Config) => Graph>;

/** The class that config.json names. */
export type Architecture = keyof typeof GRAPHS;

/** The name of the model's class in config.json. */
export function architectureOf({ nodes, outputs }: Graph): Architecture {
  if (!outputs.has('logits')) return 'MobileNetV2Model';
  const segments = nodes.some(({ name }) => name.startsWith('segmentation_head.'));
  return segments ? 'MobileNetV2ForSemanticSegmentation' : 'MobileNetV2ForImageClassification';
}

/**
 * config.json and model.safetensors.
 * @throws MobileNetError NONFINITE naming the weights that float16 cannot hold
 */
export function checkpointFiles(
  config: MobileNetV2Config,
  state: State,
  { architecture, dtype }: { architecture: string; dtype: CheckpointDtype },
): Map<string, Uint8Array> {
  if (dtype === 'float16') refuseOverflow(state);
  const written = MobileNetV2Config.from_dict({ ...config.to_dict(), architectures: [architecture], dtype });
  return new Map([
    ['config.json', new TextEncoder().encode(written.to_json_string())],
    // transformers insists on being told which framework wrote the file.
    ['model.safetensors', writeSafetensors(state, { metadata: { format: 'pt' }, dtype })],
  ]);
}

/** What rounds to more than float16's largest, 65504, would become infinite: half a step above it and up. */
const OVERFLOW = 65_520;

function refuseOverflow(state: State): void {
  const names: string[] = [];
  for (const [name, { type, data }] of state) {
    if (type === 'float32' && (data as Float32Array).some((value) => Math.abs(value) >= OVERFLOW)) names.push(name);
  }
  if (names.length === 0) return;
  throw new MobileNetError(
    'NONFINITE',
    `float16 ends at 65504, and ${names.length} weights have larger numbers (${listNames(names, 5)}); use bfloat16 or float32`,
    { tensor: names[0], names },
  );
}
