/**
 * Post-training quantization: a float model and some pictures to the same network of whole numbers.
 *
 *     const quantized = await quantize(model, { images: ['a.jpg', 'b.jpg'], processor, dtype: 'int16' });
 *     quantized.report.agreement; // the share of pictures that both name alike
 *     await quantized.save_pretrained('mobilenet-int16');
 *
 * Jacob et al.: "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (CVPR 2018,
 * arXiv:1712.05877); Nagel et al.: "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV 2019,
 * arXiv:1906.04721) for the bias.
 */
import { yieldToEvents } from '../base/abort.js';
import { requirePlatform } from '../base/env.js';
import { expected, MobileNetError } from '../base/errors.js';
import type { Graph } from '../graph/nodes.js';
import { loadWholeNumbers } from '../layers/whole-numbers.js';
import { architectureOf, checkpointFiles } from '../models/mobilenet-v2/checkpoint.js';
import { MobileNetV2Config } from '../models/mobilenet-v2/config.js';
import type { ModelOptions } from '../models/mobilenet-v2/model-options.js';
import { MobileNetV2PreTrainedModel } from '../models/mobilenet-v2/pretrained.js';
import { foldedGraph, QUANT_METHOD, quantizedType } from '../models/mobilenet-v2/quantized.js';
import type { State } from '../models/mobilenet-v2/weights.js';
import { MobileNetV2ImageProcessor } from '../processors/image-processor.js';
import { Tensor } from '../tensor/tensor.js';
import { Calibration } from './calibrate.js';
import { LEVELS, type QuantizedDtype } from './dtypes.js';
import { type CheckedOptions, checkQuantizeOptions, type QuantizeOptions } from './options.js';
import { Comparison, type QuantizationReport } from './report.js';
import { type InputScale, rangeOfBytes, scaleOf, scaleOfBytes } from './scales.js';
import { quantizedState } from './state.js';

/** A quantized network, and how near it is to the float one. */
export interface Quantized<Model> {
  /** Ready to run; to be disposed of like any other. */
  model: Model;
  /** What was given, with a `quantization_config`. */
  config: MobileNetV2Config;
  /** Weights, biases, scales and zero points. */
  state: State;
  /**
   * What makes pictures for this network: the one that was given, or, where no byte of a picture would have been a whole number,
   * one that differs by half of a byte's step. Undefined where none was given.
   */
  processor: MobileNetV2ImageProcessor | undefined;
  report: QuantizationReport;
  /** config.json, model.safetensors and, with a processor, preprocessor_config.json. */
  files(): Map<string, Uint8Array>;
  /** Writes those files into a folder. */
  save_pretrained(dir: string): Promise<void>;
}

/** Pixel values that are kept for the comparison, in bytes: 400 pictures of 224×224. */
const MOST_KEPT = 2 ** 28;

/** Pictures of which every layer is compared, of the others only the answer. */
const WHOLE_PICTURES = 16;

type AnyModel = MobileNetV2PreTrainedModel<unknown>;

/**
 * @param model in float32; it stays as it is
 * @throws MobileNetError ARG for options that cannot be and for a quantized model; NONFINITE; UNSUPPORTED for an activation that
 *   is no bound; what reading a picture throws; the signal's reason
 */
export async function quantize<Model extends AnyModel>(
  model: Model,
  options: QuantizeOptions,
): Promise<Quantized<Model>> {
  const checked = checkQuantizeOptions(options);
  refuseModel(model);
  foldedGraph(model.graph); // throws for an activation that has no form for whole numbers
  await loadWholeNumbers();
  const seen = new Calibration(namesOf(model.graph), checked.observer);
  const kept = await calibrate(model, seen, checked);
  if (checked.signal !== undefined) await yieldToEvents(checked.signal);
  const { dtype, biasCorrection, processor } = checked;
  const input = processor === undefined ? null : inputScale(processor, dtype);
  const weights = model.state_dict();
  const floats = (name: string) => weights.get(name)!.data as Float32Array;
  const state = quantizedState({ graph: model.graph, floats, seen, dtype, input, biasCorrection });
  const config = quantizedConfig(model.config, dtype);
  const quantized = sameClass(model, config, state);
  const report = await compare({ model, quantized, kept, shift: input?.shift ?? 0, pictures: seen.pictures }, checked);
  return result({ model: quantized, config, state, report, processor: ownProcessor(processor, input) });
}

const namesOf = ({ nodes }: Graph): string[] => nodes.map(({ name }) => name);

function refuseModel(model: unknown): void {
  if (!(model instanceof MobileNetV2PreTrainedModel)) throw expected('quantize', 'a model of this package', model);
  const type = quantizedType(model.config);
  if (type === undefined) return;
  throw new MobileNetError(
    'ARG',
    `quantize: the model is ${type} already; load it with dtype: 'fp32', or take the float32 checkpoint it was made from`,
  );
}

/** Runs the float network over all pictures. Gives those that are kept for the comparison. */
async function calibrate(model: AnyModel, seen: Calibration, options: CheckedOptions): Promise<Tensor<'float32'>[]> {
  const { signal, progress_callback } = options;
  const kept: Tensor<'float32'>[] = [];
  let bytes = 0;
  for await (const pixel_values of pixelValues(options)) {
    signal?.throwIfAborted();
    await seen.look(model, pixel_values, signal);
    bytes += pixel_values.data.byteLength;
    if (bytes <= MOST_KEPT || kept.length === 0) kept.push(pixel_values);
    progress_callback?.({ status: 'calibrate', pictures: seen.pictures });
  }
  if (seen.pictures > 0) return kept;
  throw new MobileNetError('ARG', 'quantize: expected pictures to observe ranges on, got none');
}

async function* pixelValues(options: CheckedOptions): AsyncGenerator<Tensor<'float32'>> {
  const { images, pixel_values, processor, signal } = options;
  if (images !== undefined) {
    for await (const batch of processor!.batches(images, { ...(signal && { signal }) }, 1)) {
      yield batch.pixel_values as Tensor<'float32'>;
    }
    return;
  }
  // A model checks each of them when it is run.
  yield* (pixel_values instanceof Tensor ? [pixel_values] : pixel_values) as Iterable<Tensor<'float32'>>;
}

function inputScale(processor: MobileNetV2ImageProcessor, dtype: QuantizedDtype): InputScale | null {
  const exact = scaleOfBytes(processor, LEVELS[dtype]);
  if (exact !== null) return exact;
  const range = rangeOfBytes(processor);
  return range === null ? null : { ...scaleOf(range, LEVELS[dtype]), shift: 0 };
}

/** The processor with which bytes become whole numbers. */
function ownProcessor(
  processor: MobileNetV2ImageProcessor | undefined,
  input: InputScale | null,
): MobileNetV2ImageProcessor | undefined {
  if (processor === undefined || input === null || input.shift === 0) return processor;
  const { image_mean, image_std } = processor;
  const moved = [image_mean!].flat().map((mean) => mean - input.shift * [image_std!].flat()[0]);
  return new MobileNetV2ImageProcessor({ ...processor.to_dict(), image_mean: moved });
}

function quantizedConfig(config: MobileNetV2Config, dtype: QuantizedDtype): MobileNetV2Config {
  return MobileNetV2Config.from_dict({
    ...config.to_dict(),
    quantization_config: { quant_method: QUANT_METHOD, dtype },
  });
}

/** A model of the same class. */
function sameClass<Model extends AnyModel>(model: Model, config: MobileNetV2Config, state: State): Model {
  const Class = model.constructor as new (config: MobileNetV2Config, options: ModelOptions & { state: State }) => Model;
  return new Class(config, { device: model.device, state });
}

interface Pair {
  model: AnyModel;
  quantized: AnyModel;
  kept: readonly Tensor<'float32'>[];
  /** What is added to pixel values for the quantized network. */
  shift: number;
  pictures: number;
}

async function compare(
  { model, quantized, kept, shift, pictures }: Pair,
  { signal, progress_callback }: CheckedOptions,
): Promise<QuantizationReport> {
  const { outputs } = model.graph;
  const answer = ['logits', 'pooler_output', 'last_hidden_state'].find((name) => outputs.has(name))!;
  const comparison = new Comparison(outputs.get(answer)!, answer === 'logits');
  const all = namesOf(model.graph);
  for (const pixels of kept) {
    const names = comparison.compared < WHOLE_PICTURES ? all : [outputs.get(answer)!];
    const float = await model.activations(pixels, names, { signal });
    const moved =
      shift === 0
        ? pixels
        : new Tensor(
            'float32',
            pixels.data.map((x) => x + shift),
            pixels.dims,
          );
    comparison.add(float, await quantized.activations(moved, names, { signal }));
    progress_callback?.({ status: 'compare', pictures: comparison.compared });
  }
  return comparison.report(pictures);
}

function result<Model extends AnyModel>(made: Omit<Quantized<Model>, 'files' | 'save_pretrained'>): Quantized<Model> {
  const { model, config, state, processor } = made;
  const files = () => {
    const all = checkpointFiles(config, state, { architecture: architectureOf(model.graph), dtype: 'float32' });
    if (processor !== undefined) {
      const text = `${JSON.stringify(processor.to_dict(), null, 2)}\n`;
      all.set('preprocessor_config.json', new TextEncoder().encode(text));
    }
    return all;
  };
  return {
    ...made,
    files,
    async save_pretrained(dir) {
      await requirePlatform('writeFolder', 'save_pretrained')(dir, files());
    },
  };
}
