/** What a model is called with, checked before anything is computed. */
import { checkSignal } from '../../base/abort.js';
import { copyOf, isShared } from '../../base/brands.js';
import { expected, listNames, MobileNetError, show } from '../../base/errors.js';
import { checkOptions } from '../../base/options.js';
import type { Graph } from '../../graph/nodes.js';
import type { InputDims } from '../../runtime/compile/plan.js';
import { firstNonFinite } from '../../tensor/finite.js';
import { elementCount } from '../../tensor/shape.js';
import { Tensor, type TensorData, type TensorType } from '../../tensor/tensor.js';
import type { MobileNetV2Config } from './config.js';

/** What a model is called with. */
export interface ModelInputs {
  /** [N,C,H,W] float32. */
  pixel_values: Tensor;
  /** Targets; the output then has a `loss`. */
  labels?: Tensor;
  /** All 16, or those whose indices are listed, in that order. What is not asked for is not computed. */
  output_hidden_states?: boolean | readonly number[];
  /**
   * Ends the call: the promise is rejected with the signal's reason, an AbortError unless it has another. A call with a
   * signal lets events in every 25 ms, between two kernels; the model can be used on.
   */
  signal?: AbortSignal | undefined;
}

const INPUT_NAMES = ['pixel_values', 'labels', 'output_hidden_states', 'signal'];
/** What an image processor gives besides, so that its output can be handed in as it is. */
const PROCESSOR_NAMES = ['original_sizes', 'reshaped_input_sizes'];

/** What goes along with `pixel_values` where they come first. */
export type ForwardOptions = Omit<ModelInputs, 'pixel_values'>;

/** Hidden states are the outputs of `layer.0` to `layer.15`, [N,C,H,W] each. */
const HIDDEN_STATES = 16;

export function hiddenNames(asked: boolean | readonly number[]): string[] | undefined {
  if (asked === false) return undefined;
  const indices = asked === true ? Array.from({ length: HIDDEN_STATES }, (_, index) => index) : asked;
  if (!Array.isArray(indices)) {
    throw expected('output_hidden_states', 'true, false or a list of indices', asked);
  }
  return indices.map((index: number) => {
    if (!Number.isInteger(index) || index < 0 || index >= HIDDEN_STATES) {
      throw expected('output_hidden_states', `indices 0 to ${HIDDEN_STATES - 1}`, index);
    }
    return `hidden_states.${index}`;
  });
}

export function someHiddenNames(which: boolean | readonly number[]): string[] {
  const names = hiddenNames(which) ?? [];
  if (names.length > 0) return names;
  throw expected('hidden_states', 'true or a list of at least one index', which);
}

/** What a call was given, in whichever of its two forms. */
export function inputsOf(inputs: ModelInputs | Tensor, options?: ForwardOptions): ModelInputs {
  checkOptions(options, INPUT_NAMES.slice(1), 'model');
  const all = inputs instanceof Tensor ? { ...options, pixel_values: inputs } : { ...inputs, ...options };
  if (!(inputs instanceof Tensor)) checkOptions(inputs, [...INPUT_NAMES, ...PROCESSOR_NAMES], 'model');
  checkSignal(all.signal);
  if (all.labels !== undefined) all.labels = ownLabels(all.labels);
  return all as ModelInputs;
}

export function checkNames(names: unknown, graph: Graph): readonly string[] {
  if (!Array.isArray(names) || names.length === 0) {
    throw expected('activations', "a list of at least one layer's name", names);
  }
  const known = new Set([...graph.nodes.map((node) => node.name), ...graph.outputs.keys()]);
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return names;
  throw new MobileNetError(
    'ARG',
    `activations: there is no layer ${show(unknown)}; there are ${listNames([...known], 20, 200)}`,
  );
}

export function checkDims(dims: readonly number[], config: MobileNetV2Config): InputDims {
  const whole =
    Array.isArray(dims) && dims.length === 4 && dims.every((size) => Number.isSafeInteger(size) && size > 0);
  if (!whole || dims[1] !== config.num_channels) {
    throw expected('pixel_values', `[N,${config.num_channels},H,W], none of them 0`, dims);
  }
  const [batch, channels, height, width] = dims;
  return [batch, channels, height, width];
}

/**
 * The pixels as they are now. A copy: the network reads them when earlier calls are done, and until then the caller may
 * fill the same buffer with the next picture. (Checked and copied in one, of 224×224 40 µs are the copy.)
 *
 * Infinity is refused, and NaN with it: a clamp turns infinity into 6, and the network would give a confident label
 * for a broken picture.
 */
export function ownPixels(pixels: unknown, config: MobileNetV2Config): { data: Float32Array; dims: InputDims } {
  if (!(pixels instanceof Tensor) || pixels.type !== 'float32') {
    const got = pixels instanceof Tensor ? `a ${pixels.type} Tensor` : show(pixels);
    throw new MobileNetError(
      'ARG',
      `pixel_values: expected a float32 Tensor, got ${got}; an image processor makes one`,
    );
  }
  const dims = checkDims(pixels.dims, config);
  const data = ownData(pixels as Tensor<'float32'>, 'pixel_values');
  const at = firstNonFinite(data);
  if (at >= 0) throw new MobileNetError('ARG', `pixel_values: element ${at} is ${data[at]}; expected finite numbers`);
  return { data, dims };
}

/** The labels as they are now: the loss is computed when the network has run. */
function ownLabels(labels: unknown): Tensor {
  if (!(labels instanceof Tensor)) throw expected('labels', 'a Tensor', labels);
  return new Tensor(labels.type, ownData(labels, 'labels'), labels.dims);
}

/** @throws MobileNetError ARG for memory that was transferred, resized, or is shared with another thread */
function ownData<T extends TensorType>({ data, dims }: Tensor<T>, where: string): TensorData<T> {
  if (isShared(data.buffer)) {
    throw new MobileNetError('ARG', `${where}: in shared memory, where another thread may change it; pass a copy`);
  }
  if (data.length !== elementCount(dims)) {
    throw new MobileNetError('ARG', `${where}: ${data.length} values for ${show(dims)}; was the buffer transferred?`);
  }
  return copyOf(data) as TensorData<T>;
}
