/**
 * A TFLite file as the folder of a model, for those who load models: `pipeline(task, 'x.tflite')`. Entries import it when the
 * first such file is met. It knows no other framework, so that a page does not load what converts those.
 */
import type { Folder } from '../base/folder.js';
import { readTflite } from '../formats/tflite/tflite.js';
import { matchWeights } from '../models/mobilenet-v2/weights.js';
import { adapt, asQuantized, filesOf, graphOf } from './adapt.js';
import { mapTflite } from './tflite.js';
import { labelsAfter } from './tflite-labels.js';

/**
 * @param file for messages
 * @returns config.json, preprocessor_config.json and model.safetensors, which hold the network as the file has it
 * @throws MobileNetError as `convert` does
 */
export async function openModelFile(bytes: Uint8Array, file: string): Promise<Folder> {
  const labels = await labelsAfter(bytes, file);
  const mapping = mapTflite(readTflite(bytes, { file }), file, { range: undefined, head: true, labels });
  const plan = adapt(mapping, file, {});
  const graph = graphOf(plan);
  mapping.check?.(graph);
  const { config } = plan;
  const made =
    mapping.quantized === undefined
      ? { config, state: matchWeights(plan.weights, graph, { config, strict: true, seed: 0, file }).state }
      : asQuantized(plan, mapping.quantized, file);
  const files = filesOf({ ...plan, config: made.config }, made.state, 'float32');
  return { name: file, read: async (name) => files.get(name) };
}
