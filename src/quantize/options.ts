/** The options of `quantize`, and what is wrong with them. */
import { checkSignal } from '../base/abort.js';
import { checkFunction } from '../base/check.js';
import { expected, MobileNetError, show } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import { MobileNetV2ImageProcessor, type ProcessorInput } from '../processors/image-processor.js';
import type { Tensor } from '../tensor/tensor.js';
import { LEVELS, type QuantizedDtype } from './dtypes.js';
import { OBSERVERS, type ObserverName } from './observers.js';

/** How far it has come: pictures that the float network has seen, or that both networks have. */
export interface QuantizeProgress {
  /** What was done with it. */
  status: 'calibrate' | 'compare';
  /** So many are done. */
  pictures: number;
}

/** How a network is quantized. There must be `images` or `pixel_values`. */
export interface QuantizeOptions {
  /** `int8`, or `int16`: 12 bits, as fast and much nearer to float32, in a file twice as large. Default `int8`. */
  dtype?: QuantizedDtype;
  /**
   * Pictures like those the network will see: whatever a processor takes, some dozens of them, without their labels. Ranges are
   * observed on them.
   */
  images?: ProcessorInput;
  /** What makes pixel values of pictures. With it, bytes become whole numbers exactly wherever they can. */
  processor?: MobileNetV2ImageProcessor;
  /** In place of `images`: [N,C,H,W] float32, or several of them one after another. */
  pixel_values?: Tensor | Iterable<Tensor> | AsyncIterable<Tensor>;
  /**
   * How a value's range follows from what was seen: `mse`, the range of the least squared error; `percentile`, all but one in
   * 100,000 at each end; `average`, the mean of each picture's least and greatest; `minmax`, the least and greatest of all.
   * Default `mse`, whose logits were the nearest (docs/quantization.md).
   */
  observer?: ObserverName;
  /** Takes from each bias what the rounding of the weights adds to the outputs on average. Default true. */
  biasCorrection?: boolean;
  /** Ends it early, with the signal's reason. */
  signal?: AbortSignal;
  /** Called after each picture. */
  progress_callback?: (progress: QuantizeProgress) => void;
}

const NAMES = [
  ...['dtype', 'images', 'processor', 'pixel_values', 'observer', 'biasCorrection'],
  ...['signal', 'progress_callback'],
];

/** Options with their defaults. */
export interface CheckedOptions extends QuantizeOptions {
  dtype: QuantizedDtype;
  observer: ObserverName;
  biasCorrection: boolean;
}

export function checkQuantizeOptions(options: QuantizeOptions): CheckedOptions {
  checkOptions(options, [...NAMES, ...Object.keys(ALWAYS)], 'quantize');
  const { dtype = 'int8', observer = 'mse', biasCorrection = true } = options;
  if (!Object.hasOwn(LEVELS, dtype)) throw expected('dtype', "'int8' or 'int16'", dtype);
  if (!Object.hasOwn(OBSERVERS, observer)) throw expected('observer', Object.keys(OBSERVERS).join(', '), observer);
  if (typeof biasCorrection !== 'boolean') throw expected('biasCorrection', 'true or false', biasCorrection);
  refuseWorse(options);
  checkSources(options);
  checkSignal(options.signal);
  if (options.progress_callback !== undefined) checkFunction(options.progress_callback, 'progress_callback');
  return { ...options, dtype, observer, biasCorrection };
}

/** Options of other tools, the one value that they may have here, and why. */
const ALWAYS: Readonly<Record<string, readonly [value: boolean, why: string]>> = {
  per_channel: [true, 'with one scale for all channels of a layer, 4 % of pictures keep their class (measured)'],
  reduce_range: [
    false,
    'with weights of 7 bits, 51 % of pictures keep their class (measured), and sums have 32 bits here, which 8 do not overflow',
  ],
};

function refuseWorse(options: object): void {
  for (const [name, [value, why]] of Object.entries(ALWAYS)) {
    const given = (options as Record<string, unknown>)[name] ?? value;
    if (given !== value) throw expected(name, `${value}: ${why}`, given);
  }
}

function checkSources({ images, processor, pixel_values }: QuantizeOptions): void {
  if ((images === undefined) === (pixel_values === undefined)) {
    const got = images === undefined ? 'neither' : 'both';
    throw new MobileNetError('ARG', `quantize: expected images or pixel_values, got ${got}`);
  }
  if (pixel_values !== undefined && !isIterable(pixel_values)) {
    throw expected('pixel_values', 'a Tensor, or several of them one after another', pixel_values);
  }
  if (processor !== undefined && !(processor instanceof MobileNetV2ImageProcessor)) {
    throw expected('processor', 'a MobileNetV2ImageProcessor', processor);
  }
  if (images !== undefined && processor === undefined) {
    throw new MobileNetError(
      'ARG',
      `processor: expected a MobileNetV2ImageProcessor for images, got ${show(processor)}`,
    );
  }
}

const isIterable = (value: object | null): boolean =>
  typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
